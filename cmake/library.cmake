# The library that is installed: libperdure.a and libperdure.so of all layers' objects, its headers, its CMake package and
# its pkg-config files. docs/embedding.md says how it is used.
#
# Both are made, of the same objects; with BUILD_SHARED_LIBS set only the one that it names.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(perdure_layers perdure_core perdure_flow perdure_dsl perdure_persistence perdure_actors perdure_cluster)

# What the layers stand on: target | how a consumer finds it | its linker flag for pkg-config | who needs it: `public`
# because the headers use it, `caf` for perdure/caf.hpp, `private` only to link the static library.
set(perdure_dependencies
    "Threads::Threads | Threads                             | -pthread      | public"
    "Boost::json      | Boost 1.81 CONFIG COMPONENTS json   | -lboost_json  | public"
    "CAF::core        | CAF                                 | -lcaf_core    | caf"
    "OpenSSL::SSL     | OpenSSL 3                           | -lssl         | private"
    "OpenSSL::Crypto  | OpenSSL 3                           | -lcrypto      | private"
    "LMDB::lmdb       | LMDB                                | -llmdb        | private"
    "ZSTD::zstd       | ZSTD                                | -lzstd        | private"
    "date::date-tz    | date 3 CONFIG                       | -ldate-tz     | private"
    "CURL::libcurl    | CURL 7.85                           | -lcurl        | private"
    "yaml-cpp::yaml-cpp | yaml-cpp                          | -lyaml-cpp    | private")
if(PERDURE_GRPC)
  list(APPEND perdure_dependencies "protobuf::libprotobuf | Protobuf 3.21 | -lprotobuf | private")
endif()

# perdure_dependency(ROW OUT...): the cells of a row.
function(perdure_dependency row)
  string(REGEX REPLACE " *\\| *" ";" cells "${row}")
  foreach(out IN LISTS ARGN)
    list(POP_FRONT cells cell)
    set(${out} "${cell}" PARENT_SCOPE)
  endforeach()
endfunction()

foreach(row IN LISTS perdure_dependencies)
  perdure_dependency("${row}" target find flag who)
  if(who STREQUAL "public")
    list(APPEND perdure_public_links ${target})
    string(APPEND perdure_find_public "find_dependency(${find})\n")
    set(pc perdure_pc_public)
  else()
    list(APPEND perdure_static_links ${target})
    list(APPEND perdure_shared_links $<TARGET_LINKER_FILE:${target}>)
    string(APPEND perdure_find_private "find_dependency(${find})\n")
    set(pc perdure_pc_private)
  endif()
  # The folders of the system are left out by pkg-config itself.
  if(flag MATCHES "^-l")
    set(flag "-L$<TARGET_LINKER_FILE_DIR:${target}> ${flag}")
  endif()
  string(APPEND ${pc} " ${flag}")
endforeach()

# A layer that stands on something new would leave static consumers without it.
foreach(layer IN LISTS perdure_layers)
  get_target_property(links ${layer} LINK_LIBRARIES)
  foreach(link IN LISTS links)
    if(NOT link MATCHES "^perdure_" AND NOT link IN_LIST perdure_public_links AND NOT link IN_LIST perdure_static_links)
      message(FATAL_ERROR "${layer} links ${link}: add it to perdure_dependencies in cmake/library.cmake")
    endif()
  endforeach()
endforeach()

set(perdure_kinds static shared)
if(DEFINED BUILD_SHARED_LIBS)
  set(perdure_kinds static)
  if(BUILD_SHARED_LIBS)
    set(perdure_kinds shared)
  endif()
endif()

set(perdure_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/perdure)
foreach(kind IN LISTS perdure_kinds)
  set(library perdure_${kind})
  string(TOUPPER ${kind} type)
  add_library(${library} ${type})
  foreach(layer IN LISTS perdure_layers)
    target_sources(${library} PRIVATE $<TARGET_OBJECTS:${layer}>)
  endforeach()
  set_target_properties(${library} PROPERTIES OUTPUT_NAME perdure EXPORT_NAME perdure LINKER_LANGUAGE CXX
                        ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
                        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_compile_features(${library} INTERFACE cxx_std_20)
  target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>
                                                  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  # Of the shared library its users need not know what it stands on, so that is no target there.
  target_link_libraries(${library} PUBLIC ${perdure_public_links} PRIVATE ${perdure_${kind}_links})
  install(TARGETS ${library} EXPORT ${library} COMPONENT ${kind})
  install(EXPORT ${library} NAMESPACE perdure:: FILE perdure-${kind}.cmake DESTINATION ${perdure_package_dir} COMPONENT ${kind})
endforeach()
# The test kit uses what the shared library hides, so it comes with the static one.
if(TARGET perdure_static)
  add_library(perdure_kit STATIC)
  target_sources(perdure_kit PRIVATE $<TARGET_OBJECTS:perdure_testing>)
  set_target_properties(perdure_kit PROPERTIES OUTPUT_NAME perdure_testing EXPORT_NAME testing LINKER_LANGUAGE CXX
                        ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  target_link_libraries(perdure_kit PUBLIC perdure_static)
  install(TARGETS perdure_kit EXPORT perdure_kit COMPONENT static)
  install(EXPORT perdure_kit NAMESPACE perdure:: FILE perdure-testing.cmake DESTINATION ${perdure_package_dir} COMPONENT static)
endif()
if(TARGET perdure_shared)
  set(script ${PROJECT_SOURCE_DIR}/cmake/perdure.map)
  target_link_options(perdure_shared PRIVATE -Wl,--version-script=${script})
  set_target_properties(perdure_shared PROPERTIES LINK_DEPENDS ${script})
  if(PERDURE_SANITIZE)
    target_link_options(perdure_shared PRIVATE -fsanitize=${PERDURE_SANITIZE})
  else()
    target_link_options(perdure_shared PRIVATE -Wl,-z,defs)   # whatever it lacks is told here, not to its users
  endif()
endif()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/perdure DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT headers
        FILES_MATCHING PATTERN "*.hpp")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT headers)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/perdure-config.cmake.in ${PROJECT_BINARY_DIR}/perdure-config.cmake
                              INSTALL_DESTINATION ${perdure_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/perdure-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/perdure-config.cmake ${PROJECT_BINARY_DIR}/perdure-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindCAF.cmake ${PROJECT_SOURCE_DIR}/cmake/FindLMDB.cmake
              ${PROJECT_SOURCE_DIR}/cmake/FindZSTD.cmake
        DESTINATION ${perdure_package_dir} COMPONENT headers)

# The paths in a .pc file are relative to it, so that the tree can be moved.
file(RELATIVE_PATH perdure_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" perdure_pc_prefix "${perdure_pc_prefix}")
foreach(name perdure perdure-caf)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc.in @ONLY)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/${name}.pc INPUT ${PROJECT_BINARY_DIR}/${name}.pc.in)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT headers)
endforeach()
