"""Tests of check_layers.py: a tree that keeps the rules passes, and each breach is found where it is."""

import io
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

import check_layers


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def check(self):
        output = io.StringIO()
        with redirect_stdout(output):
            status = check_layers.main([str(self.root)])
        return status, output.getvalue()

    def assert_breach(self, expected):
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertIn(expected, output)

    def assert_clean(self):
        self.assertEqual(self.check(), (0, ""))

    def test_includes_along_the_arrows_pass(self):
        self.write("src/app/app.cc", '#include "app/app.h"\n#include "host/calls.h"\n#include "base/result.h"\n#include <string>\n')
        self.write("src/net/server.cc", "#include <boost/beast/http.hpp>\n#include <boost/asio/ip/tcp.hpp>\n")
        self.write("src/components/state/sqlite/store.cc", "#include <sqlite3.h>\n#include <boost/asio/post.hpp>\n")
        self.write("src/main.cc", '#include "cli/command_line.h"\n#include "server/server.h"\n')
        self.write("src/cli/run.cc", '#include "server/server.h"\n')
        self.assert_clean()

    def test_an_include_against_the_arrows_is_named_with_its_line(self):
        self.write("src/blocks/state.h", '#include <string>\n#include "host/calls.h"\n')
        self.assert_breach("src/blocks/state.h:2: host/calls.h: blocks may not include host/")

    def test_siblings_never_see_each_other(self):
        for room in ("api", "host", "policy", "components"):
            for other in {"api", "host", "policy", "components"} - {room}:
                with self.subTest(room=room, other=other):
                    self.write(f"src/{room}/x.cc", f'#include "{other}/y.h"\n')
                    self.assert_breach(f"{room} may not include {other}/")
            self.write(f"src/{room}/x.cc", "")

    def test_doors_never_see_each_other(self):
        self.write("src/api/http/x.cc", '#include "api/http/y.h"\n')
        self.assert_clean()
        self.write("src/api/grpc/x.cc", '#include "api/http/y.h"\n')
        self.assert_breach("src/api/grpc/x.cc:1: api/http/y.h: the folders of api do not see each other")

    def test_a_library_may_belong_to_one_folder_of_a_room(self):
        self.write("src/api/grpc/x.cc", "#include <grpcpp/server.h>\n")
        self.assert_clean()
        self.write("src/api/http/x.cc", "#include <grpcpp/server.h>\n")
        self.assert_breach("grpcpp/ stays inside api/grpc and app/grpc and components/grpc and net/grpc")

    def test_only_cli_and_main_see_server(self):
        self.write("src/app/x.cc", '#include "server/server.h"\n')
        self.assert_breach("app may not include server/")

    def test_server_does_not_see_cli(self):
        self.write("src/server/x.cc", '#include "cli/options.h"\n')
        self.assert_breach("server may not include cli/")

    def test_beast_stays_in_net_and_asio_in_net_and_components(self):
        self.write("src/components/x.cc", "#  include <boost/beast/core.hpp>\n")
        self.assert_breach("src/components/x.cc:1: boost/beast/core.hpp: boost/beast stays inside net")
        self.write("src/components/x.cc", "")
        self.write("src/base/x.h", "#include <boost/asio.hpp>\n")
        self.assert_breach("boost/asio stays inside components and net")

    def test_blocks_see_the_exchange_and_nothing_else_of_net(self):
        self.write("src/blocks/invoke/x.h", '#include "net/http.h"\n')
        self.assert_clean()
        self.write("src/blocks/invoke/x.h", '#include "net/http_server.h"\n')
        self.assert_breach("blocks may not include net/")

    def test_boost_json_is_free(self):
        self.write("src/api/http/x.cc", "#include <boost/json.hpp>\n")
        self.assert_clean()

    def test_an_unknown_room_is_a_breach(self):
        self.write("src/utils/x.h", "int x;\n")
        self.assert_breach("src/utils is no room")

    def test_engine_core_does_not_name_dapr(self):
        self.write("engine/core/src/lib.rs", "// knows nothing of Dapr\nconst PORT: &str = \"DAPR_HTTP_PORT\";\n")
        self.write("engine/wit/src/state.rs", "// tandem:dapr is at home here\n")
        self.assert_breach("engine/core/src/lib.rs:2: engine/core knows nothing of Dapr")

    def test_a_long_file_needs_a_reason_in_its_opening_comment(self):
        code = "int x;\n" * 601
        self.write("src/base/long.cc", "// A long file.\n" + code)
        self.assert_breach("src/base/long.cc:602: 602 lines")
        self.write("src/base/long.cc", code + "// length: too late\n")
        self.assert_breach("602 lines")
        self.write("src/base/long.cc", "// A long file.\n// length: one table that is read as a whole\n" + code)
        self.assert_clean()
        self.write("src/base/long.cc", "// A long file.\n// length:\n" + code)
        self.assert_breach("603 lines")

    def test_a_file_of_600_lines_passes(self):
        self.write("src/base/x.cc", "int x;\n" * 600)
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
