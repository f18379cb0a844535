option(SGL_BUILD_TESTS "Build the GoogleTest suites" ON)
option(SGL_BUILD_BENCH "Build native/bench" ON)
set(SGL_CUDA "AUTO" CACHE STRING "Build the CUDA part: AUTO (where nvcc is found), ON, OFF")
set(SGL_CUDA_ARCHS "90a" CACHE STRING "CUDA architectures, e.g. 80;89;90a;100a")
set(SGL_SANITIZE "" CACHE STRING "Value of -fsanitize=, e.g. address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
# libsgl.so and libsgl_cuda.so travel together: each finds the other beside itself.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-Wall;-Wextra;-Werror;-fno-math-errno>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: a false alarm in "literal" + std::string.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(SGL_SANITIZE)
  add_compile_options(
    "$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${SGL_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all;-g1>")
  add_link_options(-fsanitize=${SGL_SANITIZE})
  # C callers can pass any value for an enum; the ABI layer checks them, and GCC reads them as the integers they are.
  add_compile_options(-fno-sanitize=enum)
  # GCC 12 takes std::function's members in std::regex for uninitialized where a sanitizer is on, and vectors of strings for
  # memory that was never allocated.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-free-nonheap-object>)
endif()

# What is on, and why something is off, printed at the end of configuration.
define_property(GLOBAL PROPERTY SGL_SUMMARY)
function(sgl_note line)
  set_property(GLOBAL APPEND PROPERTY SGL_SUMMARY "${line}")
endfunction()

function(sgl_print_summary)
  get_property(lines GLOBAL PROPERTY SGL_SUMMARY)
  set(sanitizers "")
  if(SGL_SANITIZE)
    set(sanitizers ", sanitizers: ${SGL_SANITIZE}")
  endif()
  message(STATUS "SgLang native ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}${sanitizers}")
  foreach(line IN LISTS lines)
    message(STATUS "  ${line}")
  endforeach()
endfunction()
