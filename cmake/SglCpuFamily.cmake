# A family of CPU operators is a folder native/src/cpu/<name>. Its plain `*.cc` are compiled once; each `*.isa.cc` is compiled
# once per instruction set with SGL_ISA_NAMESPACE naming a namespace of its own.
#
# NOTE: an inline function that the linker merges between instruction sets would bring AVX-512 code to machines without it, so
# `*.isa.cc` files use no standard library templates: plain loops, intrinsics and internal linkage only. The CTest
# `isa_symbols` fails when an object of theirs has a symbol that could be merged.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(SGL_ISAS generic avx2 avx512_bf16)
else()
  set(SGL_ISAS generic)
endif()
set(SGL_ISA_FLAGS_generic "")
set(SGL_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(SGL_ISA_FLAGS_avx512_bf16 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c)

set(SGL_ISA_WARNINGS -Wno-psabi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105593: false alarms inside its own AVX-512 intrinsics.
  list(APPEND SGL_ISA_WARNINGS -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

define_property(GLOBAL PROPERTY SGL_ISA_TARGETS)

function(sgl_cpu_family name)
  set(directory ${CMAKE_CURRENT_SOURCE_DIR}/src/cpu/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${directory}/*.cc)
  if(NOT sources)
    sgl_note("CPU family ${name}: no sources in ${directory}")
    add_library(sgl_cpu_${name} INTERFACE)
    return()
  endif()
  set(isa_sources ${sources})
  list(FILTER isa_sources INCLUDE REGEX "\\.isa\\.cc$")
  list(FILTER sources EXCLUDE REGEX "\\.isa\\.cc$")
  add_library(sgl_cpu_${name} STATIC ${sources})
  target_link_libraries(sgl_cpu_${name} PUBLIC sgl_base)
  if(isa_sources)
    foreach(isa IN LISTS SGL_ISAS)
      set(target sgl_cpu_${name}_${isa})
      add_library(${target} OBJECT ${isa_sources})
      target_link_libraries(${target} PRIVATE sgl_headers)
      target_compile_definitions(${target} PRIVATE SGL_ISA_NAMESPACE=${isa} SGL_ISA_${isa}=1)
      target_compile_options(${target} PRIVATE -O3 ${SGL_ISA_WARNINGS} ${SGL_ISA_FLAGS_${isa}})
      target_sources(sgl_cpu_${name} PRIVATE $<TARGET_OBJECTS:${target}>)
      set_property(GLOBAL APPEND PROPERTY SGL_ISA_TARGETS ${target})
    endforeach()
  endif()
endfunction()

# The other families that a family's sources call.
function(sgl_cpu_family_uses name)
  foreach(other IN LISTS ARGN)
    get_target_property(type sgl_cpu_${name} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY")
      target_link_libraries(sgl_cpu_${name} INTERFACE sgl_cpu_${other})
    else()
      target_link_libraries(sgl_cpu_${name} PUBLIC sgl_cpu_${other})
    endif()
  endforeach()
endfunction()
