# A family of CPU operators is a folder native/src/cpu/<name>. Its plain `*.cc` are compiled once; each `*.isa.cc` is compiled
# once per instruction set with SGL_ISA_NAMESPACE naming a namespace of its own.
#
# NOTE: an inline function that the linker merges between instruction sets would bring AVX-512 code to machines without it, so
# `*.isa.cc` files use no standard library templates: plain loops, intrinsics and internal linkage only.
set(SGL_ISAS generic avx2 avx512_bf16)
set(SGL_ISA_FLAGS_generic "")
set(SGL_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(SGL_ISA_FLAGS_avx512_bf16 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c)

function(sgl_cpu_family name)
  set(directory ${CMAKE_CURRENT_SOURCE_DIR}/src/cpu/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${directory}/*.cc)
  file(GLOB isa_sources CONFIGURE_DEPENDS ${directory}/*.isa.cc)
  if(isa_sources)
    list(REMOVE_ITEM sources ${isa_sources})
  endif()
  add_library(sgl_cpu_${name} STATIC ${sources})
  target_link_libraries(sgl_cpu_${name} PUBLIC sgl_headers)
  if(isa_sources)
    foreach(isa IN LISTS SGL_ISAS)
      add_library(sgl_cpu_${name}_${isa} OBJECT ${isa_sources})
      target_link_libraries(sgl_cpu_${name}_${isa} PUBLIC sgl_headers)
      target_compile_definitions(sgl_cpu_${name}_${isa} PRIVATE SGL_ISA_NAMESPACE=${isa} SGL_ISA_${isa}=1)
      target_compile_options(sgl_cpu_${name}_${isa} PRIVATE -O3 ${SGL_ISA_FLAGS_${isa}})
      target_sources(sgl_cpu_${name} PRIVATE $<TARGET_OBJECTS:sgl_cpu_${name}_${isa}>)
    endforeach()
  endif()
endfunction()
