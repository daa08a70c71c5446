# How Tandem's rooms, tests and the engine are built. Included once by the top CMakeLists.txt.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

set(TANDEM_SANITIZE "" CACHE STRING "Sanitizers for the C++ side: address,undefined or thread")
option(TANDEM_FAKE_ENGINE "Link tests/fake_engine in place of the Rust library everywhere" OFF)
set(TANDEM_CACHE "$ENV{TANDEM_CACHE}" CACHE PATH "Where toolchains and cargo's output live, outside the clone")
if(NOT TANDEM_CACHE)
  set(TANDEM_CACHE "$ENV{HOME}/.cache/tandem")
endif()

add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers -Wno-unused-parameter -fno-omit-frame-pointer)
# The precompiled header and the sources must agree on this for ccache to share objects between clones.
add_compile_options(-Xclang -fno-pch-timestamp "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
add_link_options(-fuse-ld=lld)
if(TANDEM_SANITIZE)
  add_compile_options(-fsanitize=${TANDEM_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TANDEM_SANITIZE})
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-O0 -g1)
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_library(HIREDIS_LIBRARY hiredis REQUIRED)
find_library(LDNS_LIBRARY libldns.a REQUIRED)  # static: a shared one is a file more to open at each start
# Kafka's client, static for the same reason. SASL and zlib are there with libpq anyway.
foreach(library librdkafka.a libre2.a liblz4.a libzstd.a libsasl2.so libz.so)
  find_library(KAFKA_${library} ${library} REQUIRED)
  list(APPEND KAFKA_LIBRARIES ${KAFKA_${library}})
endforeach()
# Time zones, with gRPC's Abseil; static as there.
foreach(name time time_zone civil_time int128 strings strings_internal throw_delegate base raw_logging_internal spinlock_wait)
  find_library(ABSEIL_${name} libabsl_${name}.a REQUIRED)
  list(APPEND ABSEIL_TIME_LIBRARIES ${ABSEIL_${name}})
endforeach()
find_library(NGHTTP2_LIBRARY nghttp2 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(GTest REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
include(GoogleTest)

# The engine's C ABI, and the Rust library behind it as one static library that cargo builds outside the clone, so that a
# fresh clone builds warm. Rooms compile against the ABI; programs link the library (tandem_link_engine).
function(tandem_engine_library)
  add_library(tandem_engine_abi INTERFACE)
  target_include_directories(tandem_engine_abi INTERFACE ${CMAKE_SOURCE_DIR}/engine/include)
  if(TANDEM_FAKE_ENGINE)
    add_custom_target(tandem_engine_build)
    return()
  endif()
  set(out ${CMAKE_BINARY_DIR}/libtandem_engine_rust.a)
  file(GLOB_RECURSE rust_sources CONFIGURE_DEPENDS
       ${CMAKE_SOURCE_DIR}/engine/*.rs ${CMAKE_SOURCE_DIR}/engine/*.toml ${CMAKE_SOURCE_DIR}/engine/Cargo.lock
       ${CMAKE_SOURCE_DIR}/wit/*.wit)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_SOURCE_DIR}/tools/build_engine.sh ${TANDEM_CACHE} ${out} "${TANDEM_SANITIZE}"
    DEPENDS ${rust_sources} ${CMAKE_SOURCE_DIR}/tools/build_engine.sh
    COMMENT "Building the engine (Rust, Wasmtime): minutes the first time, seconds after"
    USES_TERMINAL VERBATIM)
  add_custom_target(tandem_engine_build DEPENDS ${out})
  add_library(tandem_engine_rust INTERFACE)
  add_dependencies(tandem_engine_rust tandem_engine_build)
  target_link_libraries(tandem_engine_rust INTERFACE tandem_engine_abi ${out} Threads::Threads dl m)
endfunction()

# proto/ compiled, and gRPC behind it. Linked statically: the shared libraries (gRPC, protobuf and some fifty of Abseil's)
# would add more to the start of every `tandem` than all the rest of it takes.
function(tandem_proto_library)
  set(folder ${CMAKE_BINARY_DIR}/proto)
  file(GLOB_RECURSE protos CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/proto ${CMAKE_SOURCE_DIR}/proto/*.proto)
  set(generated)
  set(inputs)
  foreach(proto ${protos})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    list(APPEND generated ${folder}/${stem}.pb.cc ${folder}/${stem}.pb.h)
    list(APPEND inputs ${CMAKE_SOURCE_DIR}/proto/${proto})
  endforeach()
  # The files with a service in them.
  set(services dapr/proto/runtime/v1/dapr dapr/proto/runtime/v1/appcallback dapr/proto/internals/v1/service_invocation
               dapr/proto/components/v1/state dapr/proto/components/v1/pubsub dapr/proto/components/v1/bindings
               dapr/proto/components/v1/secretstore)
  list(TRANSFORM services APPEND .proto OUTPUT_VARIABLE service_inputs)
  list(TRANSFORM service_inputs PREPEND ${CMAKE_SOURCE_DIR}/proto/)
  list(TRANSFORM services PREPEND ${folder}/ OUTPUT_VARIABLE service_stems)
  list(TRANSFORM service_stems APPEND .grpc.pb.cc OUTPUT_VARIABLE service_sources)
  list(TRANSFORM service_stems APPEND .grpc.pb.h OUTPUT_VARIABLE service_headers)
  add_custom_command(
    OUTPUT ${generated} ${service_sources} ${service_headers}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND ${PROTOC} -I${CMAKE_SOURCE_DIR}/proto --cpp_out=${folder} ${inputs}
    COMMAND ${PROTOC} -I${CMAKE_SOURCE_DIR}/proto --grpc_out=${folder} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN}
            ${service_inputs}
    DEPENDS ${inputs}
    COMMENT "Compiling proto/" VERBATIM)
  add_library(tandem_proto STATIC ${generated} ${service_sources})
  target_compile_options(tandem_proto PRIVATE -w)
  target_include_directories(tandem_proto SYSTEM PUBLIC ${folder})
  foreach(name grpc++_reflection grpc++ grpc upb gpr address_sorting cares re2 protobuf z)
    find_library(GRPC_STATIC_${name} lib${name}.a REQUIRED)
    list(APPEND libraries ${GRPC_STATIC_${name}})
  endforeach()
  cmake_path(GET GRPC_STATIC_gpr PARENT_PATH library_folder)
  file(GLOB abseil ${library_folder}/libabsl_*.a)
  target_link_libraries(tandem_proto PUBLIC ${libraries} ${abseil} OpenSSL::SSL Threads::Threads dl)
  # What these libraries run before main() lies together then, and touches 2.5 MB less of the file.
  target_link_options(tandem_proto INTERFACE -Wl,-z,keep-text-section-prefix)
endfunction()

# tandem_link_engine(<program> [FAKE]): what is behind the engine's C ABI in this program.
function(tandem_link_engine program)
  if(TANDEM_FAKE_ENGINE OR "FAKE" IN_LIST ARGN)
    target_link_libraries(${program} PRIVATE tandem_fake_engine)
  else()
    target_link_libraries(${program} PRIVATE tandem_engine_rust)
  endif()
endfunction()

# tandem_room(<name> [PCH] [NO_TSAN] [FOLDER folder] [ENGINE REAL|FAKE|ANY] [DEPS rooms…] [LIBS libraries…])
# FOLDER is where it lies below src/, when that is not its name. A folder `grpc` in it is a library of its own. NO_TSAN: its tests hand things from thread to thread
# through a library that is not built with the sanitizer, which then sees races where there are none.
# ENGINE says what its tests need behind the engine's C ABI: the Rust library, the fake one, or what the build has.
function(tandem_room name)
  cmake_parse_arguments(ROOM "PCH;NO_TSAN" "ENGINE;FOLDER" "DEPS;LIBS" ${ARGN})
  if(NOT ROOM_FOLDER)
    set(ROOM_FOLDER ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${ROOM_FOLDER}/*.cc)
  if(NOT ROOM_FOLDER MATCHES "/grpc$")
    list(FILTER sources EXCLUDE REGEX "/src/${ROOM_FOLDER}/grpc/")
  endif()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ROOM_DEPS PREPEND tandem_)
  if(sources)
    set(link PUBLIC)
    add_library(tandem_${name} STATIC ${sources})
    if(ROOM_PCH)
      target_precompile_headers(tandem_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/${name}/pch.h)
    endif()
  else()
    set(link INTERFACE)
    add_library(tandem_${name} INTERFACE)
  endif()
  target_include_directories(tandem_${name} ${link} ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(tandem_${name} ${link} ${ROOM_DEPS} ${ROOM_LIBS})
  if(TANDEM_FAKE_ENGINE AND ROOM_ENGINE STREQUAL "REAL")
    return()
  endif()
  if(tests AND ROOM_NO_TSAN AND TANDEM_SANITIZE STREQUAL "thread")
    message(STATUS "${name}_test is left out under the thread sanitizer")
  elseif(tests)
    add_executable(${name}_test EXCLUDE_FROM_ALL ${tests})
    target_link_libraries(${name}_test PRIVATE tandem_${name} GTest::gmock GTest::gtest_main)
    if(ROOM_ENGINE)
      tandem_link_engine(${name}_test ${ROOM_ENGINE})
    endif()
    if(ROOM_PCH)
      target_precompile_headers(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/src/${name}/pch.h)
    endif()
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 60)
    set_property(GLOBAL APPEND PROPERTY TANDEM_TESTS ${name}_test)
  endif()
endfunction()
