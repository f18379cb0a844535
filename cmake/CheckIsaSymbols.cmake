# cmake -DNM=nm -DOBJECTS=list.txt -P CheckIsaSymbols.cmake
# Fails when an object compiled for one instruction set defines a weak symbol: the linker keeps one copy of such a symbol for
# the whole library, perhaps the one with instructions that the machine lacks.
file(STRINGS ${OBJECTS} objects)
if(NOT objects)
  message(FATAL_ERROR "no objects in ${OBJECTS}")
endif()
set(mergeable "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --defined-only --demangle ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "${NM} ${object} failed; build everything first")
  endif()
  string(REGEX MATCHALL "[0-9a-f]+ [WVuw] [^\n]*" weak "${symbols}")
  foreach(symbol IN LISTS weak)
    # A pointer to the exception personality, the same in every object; sanitizer builds add it.
    if(NOT symbol MATCHES " DW\\.ref\\.")
      string(APPEND mergeable "\n  ${object}: ${symbol}")
    endif()
  endforeach()
endforeach()
if(mergeable)
  message(FATAL_ERROR "symbols that could be merged between instruction sets; give them internal linkage:${mergeable}")
endif()
