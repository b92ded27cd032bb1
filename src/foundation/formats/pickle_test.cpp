// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/formats/pickle.h"

#include "foundation/base/error.h"
#include "foundation/formats/crafted_files.h"
#include "foundation/formats/model_file.h"
#include "foundation/formats/sealed.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <random>

namespace comfy::formats {
namespace {

using namespace crafted;
using namespace std::string_literals;
using Kind = PickledData::Kind;

PickledData read(const std::string& body) {
  const std::string bytes = pickle(body);
  return read_pickle(as_bytes(bytes));
}
PickledData::Object root(const std::string& body) {
  const PickledData data = read(body);
  return data.objects[data.root];
}

std::string refusal(const std::string& bytes) {
  try {
    read_pickle(as_bytes(bytes));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    return error.message;
  }
  return "accepted";
}

TEST(Pickle, ReadsNumbers) {
  EXPECT_EQ(root("N").kind, Kind::none);
  EXPECT_EQ(root("\x88").integer, 1);
  EXPECT_EQ(root("\x89").kind, Kind::boolean);
  EXPECT_EQ(root("K\xff").integer, 255);
  EXPECT_EQ(root("M\xff\xff").integer, 65535);
  EXPECT_EQ(root("J\xff\xff\xff\xff").integer, -1);
  EXPECT_EQ(root("I-12\n").integer, -12);
  EXPECT_EQ(root("I01\n").kind, Kind::boolean);
  EXPECT_EQ(root("L123456789012L\n").integer, 123456789012);
  EXPECT_EQ(root("\x8a\x00"s).integer, 0);
  EXPECT_EQ(root("\x8a\x01\xff"s).integer, -1);
  EXPECT_EQ(root("\x8a\x02\xff\x00"s).integer, 255);
  EXPECT_EQ(root("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80"s).integer, INT64_MIN);
  EXPECT_EQ(root("\x8b\x01\x00\x00\x00\x07"s).integer, 7);
  EXPECT_EQ(root("\x8a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09"s).text.size(), 9u);
  EXPECT_EQ(root("F1.5\n").number, 1.5);
  EXPECT_EQ(root("G\x3f\xf8\x00\x00\x00\x00\x00\x00"s).number, 1.5);
}

TEST(Pickle, ReadsTexts) {
  EXPECT_EQ(root("S'abc'\n").text, "abc");
  EXPECT_EQ(root("T\x03\x00\x00\x00xyz"s).text, "xyz");
  EXPECT_EQ(root("U\x02xy"s).text, "xy");
  EXPECT_EQ(root("U\x01\xff"s).kind, Kind::bytes);
  EXPECT_EQ(root("Vabc\n").text, "abc");
  EXPECT_EQ(root("X\x02\x00\x00\x00\xc3\xa4"s).text, "ä");
  EXPECT_EQ(root("\x8c\x01z"s).text, "z");
  EXPECT_EQ(root("\x8d\x01\x00\x00\x00\x00\x00\x00\x00z"s).text, "z");
  EXPECT_EQ(root("C\x01z"s).kind, Kind::bytes);
  EXPECT_EQ(root("B\x01\x00\x00\x00z"s).text, "z");
  EXPECT_EQ(root("\x8e\x01\x00\x00\x00\x00\x00\x00\x00z"s).text, "z");
}

TEST(Pickle, ReadsContainers) {
  EXPECT_EQ(root("](K\1K\2e").items.size(), 2u);
  EXPECT_EQ(root("]K\1a").items.size(), 1u);
  EXPECT_EQ(root("(K\1K\2K\3l").items.size(), 3u);
  EXPECT_EQ(root("(K\1K\2d").kind, Kind::dictionary);
  EXPECT_EQ(root("}K\1K\2s").items.size(), 2u);
  EXPECT_EQ(root("K\1\x85").items.size(), 1u);
  EXPECT_EQ(root("K\1K\2\x86").items.size(), 2u);
  EXPECT_EQ(root("K\1K\2K\3\x87").items.size(), 3u);
  EXPECT_EQ(root("K\1(K\2K\3"
                 "1")
                .integer,
            1);
  EXPECT_EQ(root("K\1K\2"
                 "0")
                .integer,
            1);
  EXPECT_EQ(root("K\1"
                 "2\x86")
                .items.size(),
            2u);
}

TEST(Pickle, RemembersAndRecalls) {
  EXPECT_EQ(root("K\7q\5"
                 "0h\5")
                .integer,
            7);
  EXPECT_EQ(root("K\7p12\n0g12\n").integer, 7);
  EXPECT_EQ(root("K\7r\1\0\0\0"
                 "0j\1\0\0\0"s)
                .integer,
            7);
  EXPECT_EQ(root("K\7\x94"
                 "0h\0"s)
                .integer,
            7);
  // A list that holds itself is data like any other.
  const PickledData circle = read("]q\0h\0a"s);
  EXPECT_EQ(circle.objects[circle.root].items.at(0), circle.root);
}

TEST(Pickle, ReadsTensorsAsPlacesInStorages) {
  const PickledData data = read(tensor({.type = "HalfStorage",
                                        .key = "7",
                                        .count = 10,
                                        .first = 2,
                                        .shape = {2, 3},
                                        .strides = {1, 2}}));
  const PickledData::Object& object = data.objects[data.root];
  EXPECT_EQ(object.kind, Kind::tensor);
  EXPECT_EQ(object.first, 2u);
  EXPECT_EQ(object.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(object.strides, (std::vector<std::int64_t>{1, 2}));
  ASSERT_EQ(data.storages.size(), 1u);
  EXPECT_EQ(data.storages[0].key, "7");
  EXPECT_EQ(data.storages[0].type, ElementType::f16);
  EXPECT_EQ(data.storages[0].count, 10u);
}

TEST(Pickle, ReadsTheNamesThatModelsUse) {
  const std::string ordered = global("collections", "OrderedDict");
  EXPECT_EQ(root(call(ordered, {})).kind, Kind::dictionary);
  EXPECT_EQ(root(call(ordered, {list({tuple({text("a"), integer(1)})})})).items.size(), 2u);
  EXPECT_EQ(root(call(ordered, {}) + "}" + text("_metadata") + call(ordered, {}) + "sb").kind,
            Kind::dictionary);
  EXPECT_EQ(root(call(global("torch._utils", "_rebuild_parameter"),
                      {tensor(), "\x88", call(ordered, {})}))
                .kind,
            Kind::tensor);
  EXPECT_EQ(root(call(global("torch", "Size"), {integers({1, 2})})).items.size(), 2u);
  EXPECT_EQ(root(call(global("torch", "device"), {text("cpu")})).text, "cpu");
  EXPECT_EQ(root(global("torch", "float16")).text, "torch.float16");
  EXPECT_EQ(root(text("torch") + text("float16") + "\x93").text, "torch.float16");
  EXPECT_EQ(root(global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")).kind,
            Kind::global);
}

TEST(Pickle, ReadsNumPyNumbers) {
  const std::string dtype =
      call(global("numpy", "dtype"), {text("f8"), "\x89", "\x88"}) +
      tuple({integer(3), text("<"), "N", "N", "N", integer(-1), integer(-1), integer(0)}) + "b";
  const std::string scalar = global("numpy.core.multiarray", "scalar");
  EXPECT_EQ(root(call(scalar, {dtype, "C\x08" + raw(0.25)})).number, 0.25);
  EXPECT_EQ(
      root(call(global("numpy._core.multiarray", "scalar"), {dtype, "C\x08" + raw(0.25)})).number,
      0.25);
  // 0xf8 travels as a two-byte character.
  const std::string encoded =
      call(global("_codecs", "encode"), {text("\0\0\0\0\0\0\xc3\xb8?"s), text("latin1")});
  EXPECT_EQ(root(call(scalar, {dtype, encoded})).number, 1.5);
}

// Callables that attacks on pickle readers use; none may be as much as looked up.
const std::vector<std::pair<std::string, std::string>> kGadgets = {
    {"os", "system"},
    {"posix", "system"},
    {"nt", "system"},
    {"os", "popen"},
    {"os", "execv"},
    {"os", "spawnl"},
    {"os", "putenv"},
    {"os", "remove"},
    {"subprocess", "Popen"},
    {"subprocess", "run"},
    {"subprocess", "call"},
    {"subprocess", "check_output"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "compile"},
    {"builtins", "getattr"},
    {"builtins", "__import__"},
    {"builtins", "open"},
    {"builtins", "setattr"},
    {"builtins", "apply"},
    {"builtins", "map"},
    {"__builtin__", "eval"},
    {"__builtin__", "file"},
    {"importlib", "import_module"},
    {"runpy", "run_path"},
    {"runpy", "_run_code"},
    {"code", "interact"},
    {"pty", "spawn"},
    {"pdb", "run"},
    {"timeit", "timeit"},
    {"cProfile", "run"},
    {"socket", "socket"},
    {"urllib.request", "urlopen"},
    {"requests.api", "get"},
    {"http.client", "HTTPSConnection"},
    {"webbrowser", "open"},
    {"shutil", "rmtree"},
    {"pathlib", "Path"},
    {"tempfile", "mktemp"},
    {"ctypes", "CDLL"},
    {"_ctypes", "dlopen"},
    {"marshal", "loads"},
    {"types", "FunctionType"},
    {"types", "CodeType"},
    {"pickle", "loads"},
    {"_pickle", "loads"},
    {"dill", "loads"},
    {"cloudpickle", "loads"},
    {"joblib", "load"},
    {"torch", "load"},
    {"torch.hub", "load"},
    {"torch.serialization", "load"},
    {"torch._dynamo", "optimize"},
    {"torch.utils._config_module", "load_config"},
    {"torch._inductor.codecache", "compile_file"},
    {"torch.utils.collect_env", "run"},
    {"torch.utils.data.datapipes.utils.decoder", "basichandlers"},
    {"torch.nn.modules.linear", "Linear"},
    {"torch._utils", "_rebuild_tensor_v2.__globals__"},
    {"torch._utils", "__builtins__"},
    {"torch", "os.system"},
    {"collections", "OrderedDict.__init__"},
    {"numpy.testing._private.utils", "runstring"},
    {"numpy.f2py.crackfortran", "getlincoef"},
    {"numpy.core.multiarray", "_reconstruct"},
    {"numpy", "load"},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"operator", "itemgetter"},
    {"functools", "partial"},
    {"functools", "reduce"},
    {"itertools", "starmap"},
    {"asyncio.unix_events", "_UnixSubprocessTransport._start"},
    {"asyncio", "create_subprocess_shell"},
    {"concurrent.futures", "ThreadPoolExecutor"},
    {"multiprocessing.util", "spawnv_passfds"},
    {"distutils.file_util", "write_file"},
    {"lib2to3.pgen2.grammar", "Grammar.loads"},
    {"profile", "Profile.run"},
    {"trace", "Trace.run"},
    {"idlelib.pyshell", "ModifiedInterpreter.runcode"},
    {"idlelib.run", "Executive.runcode"},
    {"ensurepip", "_run_pip"},
    {"pip", "main"},
    {"setuptools", "setup"},
    {"sys", "modules"},
    {"sys", "exit"},
    {"signal", "alarm"},
    {"threading", "Thread"},
    {"bdb", "Bdb.run"},
    {"logging.config", "listen"},
    {"smtplib", "SMTP"},
    {"ftplib", "FTP"},
    {"telnetlib", "Telnet"},
    {"xmlrpc.client", "ServerProxy"},
    {"sqlite3", "connect"},
    {"zipfile", "ZipFile"},
    {"tarfile", "open"},
    {"linecache", "getline"},
    {"fileinput", "input"},
    {"io", "open"},
    {"_io", "FileIO"},
    {"codecs", "open"},
    {"_codecs", "decode"},
    {"keras.models", "load_model"},
    {"tensorflow", "io"},
    {"aiohttp", "request"},
    {"doctest", "debug_script"},
    {"test.support.script_helper", "assert_python_ok"},
    {"uuid", "_get_command_stdout"},
    {"commands", "getoutput"},
    {"popen2", "popen3"},
    {"bz2", "open"},
    {"mailcap", "findmatch"},
    {"", ""},
    {"__main__", "exploit"},
    {"torch ", "FloatStorage"},
    {"Torch", "FloatStorage"}};

TEST(Pickle, RefusesEveryOtherNameByName) {
  EXPECT_GE(kGadgets.size(), 100u);
  for (const auto& [module, name] : kGadgets) {
    const std::string full = module + "." + name;
    for (const std::string& body :
         {call(global(module, name), {text("id")}), dictionary({{text("a"), global(module, name)}}),
          text(module) + text(name) + "\x93"}) {
      EXPECT_NE(refusal(pickle(body)).find("it names \"" + full + "\""), std::string::npos) << full;
    }
  }
}

struct Row {
  std::string body, says;
};

const std::string kOrdered = global("collections", "OrderedDict");

const std::vector<Row> kNoData = {
    {"(ios\nsystem\n", "wants to make an object"},
    {"(" + kOrdered + "o", "wants to make an object"},
    {kOrdered + ")\x81", "wants to make an object"},
    {kOrdered + ")}\x92", "wants to make an object"},
    {"\x82\x01", "extension code"},
    {"\x83\x01\x00"s, "extension code"},
    {"\x84\x01\x00\x00\x00"s, "extension code"},
    {"Pabc\n", "persistent id as a text"},
    {"\x8f", "holds a set"},
    {"\x96\x01\x00\x00\x00\x00\x00\x00\x00x"s, "unknown instruction 0x96"},
    {"\xff", "unknown instruction 0xff"},
    {text("x") + ")R", "calls something that is no name"},
    {kOrdered + "NR", "expected a list of arguments"},
    {global("torch", "float32") + ")R", "which is no function for data"},
    {global("torch", "FloatStorage") + ")R", "which is no function for data"},
    {call(global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"), {}),
     "which is no function for data"},
    {call(kOrdered, {integer(1)}), "argument 1 of a call"},
    {call(kOrdered, {list({integer(1)})}), "expected pairs"},
    {call(kOrdered, {list({}), list({})}), "at most one argument"},
    {text("x") + "}b", "sets the state"},
    {"]}b", "sets the state"},
    {call(global("numpy", "dtype"), {text("f8")}) + tuple({integer(3), text(">")}) + "b",
     "big-endian"},
    {"NQ", "storage record"},
    {tuple({text("module"), integer(1)}) + "Q", "storage record"},
    {tuple({text("module"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(1)}) +
         "Q",
     "storage record"},
    {tuple({text("storage"), global("torch", "float32"), text("0"), text("cpu"), integer(1)}) + "Q",
     "storage class"},
    {tuple({text("storage"), text("FloatStorage"), text("0"), text("cpu"), integer(1)}) + "Q",
     "argument 2"},
    {tuple(
         {text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(-1)}) +
         "Q",
     "storage size from 0"},
    {tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(1),
            integers({1})}) +
         "Q",
     "views of storages"},
    {storage("FloatStorage", "0", 4) + storage("HalfStorage", "0", 4), "described in two ways"},
    {storage("FloatStorage", "0", 4) + storage("FloatStorage", "0", 5), "described in two ways"},
    {tensor({.first = -1}), "place in a storage from 0"},
    {tensor({.shape = {-1, 3}}), "whole sizes from 0"},
    {tensor({.strides = {-3, 1}}), "whole sizes from 0"},
    {tensor({.shape = {2, 3, 1}}), "more sizes than strides"},
    {tensor({.shape = {1, 1, 1, 1, 1, 1, 1, 1, 1}}), "at most 8 sizes"},
    {call(global("torch._utils", "_rebuild_tensor_v2"), {integer(1)}), "lacks its sizes"},
    {call(global("torch._utils", "_rebuild_tensor_v2"),
          {integer(1), integer(1), integer(1), integer(1)}),
     "argument 1"},
    {call(global("torch._utils", "_rebuild_parameter"), {}), "without arguments"},
    {call(global("_codecs", "encode"), {text("\xe2\x82\xac")}), "more than bytes"},
    {call(global("numpy.core.multiarray", "scalar"), {text("f8"),
                                                      "C\x04"
                                                      "abcd"}),
     "another size than its type"},
};

TEST(Pickle, RefusesWhatIsNoData) {
  EXPECT_GE(kNoData.size(), 40u);
  for (const Row& row : kNoData) {
    const std::string message = refusal(pickle(row.body));
    EXPECT_NE(message.find(row.says), std::string::npos)
        << "row " << &row - kNoData.data() << ": " << message;
  }
}

const std::vector<Row> kBroken = {
    {"", "truncated"},
    {"\x80", "truncated"},
    {"\x80\x02", "truncated"},
    {"\x80\x06.", "protocol up to 5, found 6"},
    {pickle(""), "more from the stack than there is"},
    {pickle("0"), "more from the stack"},
    {pickle("a"), "more from the stack"},
    {pickle("K\1a"), "more from the stack"},
    {pickle("K\1K\2a"), "expected a list to add to"},
    {pickle("K\1K\2K\3s"), "expected a dictionary to add to"},
    {pickle("t"), "a mark where there is none"},
    {pickle("e"), "a mark where there is none"},
    {pickle("(K\1"
            "0"
            "0"),
     "more from the stack"},
    {pickle("]("), "more from the stack"},
    {pickle("}(K\1u"), "a key without a value"},
    {pickle("(K\1d"), "a key without a value"},
    {pickle("h\1"), "recalls number 1, which was never remembered"},
    {pickle("g7\n"), "recalls number 7"},
    {pickle("gx\n"), "expected a number"},
    {pickle("p-1\n"), "expected a number"},
    {pickle("q\1"), "more from the stack"},
    {pickle("I12"), "truncated"},
    {pickle("I1x\n"), "expected a number"},
    {pickle("I99999999999999999999\n"), "expected a number"},
    {pickle("Fabc\n"), "expected a number"},
    {pickle("Sabc\n"), "plain quoted text"},
    {pickle("S'\n"), "plain quoted text"},
    {pickle("S'a\\x00'\n"), "plain quoted text"},
    {pickle("Va\\u0041\n"), "escapes in a text"},
    {pickle("X\xff\xff\xff\xff"
            "abc"),
     "truncated"},
    {pickle("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
            "abc"),
     "truncated"},
    {pickle("X\x01\x00\x00\x00\xff"s), "no valid UTF-8"},
    {pickle("cos"), "truncated"},
    {pickle("N"
            "N\x93"),
     "argument 1 of a call"},
    {pickle(std::string(70'000, 'N')), "more than 65536 things on the stack"},
    {pickle(std::string(70'000, '(')), "more than 65536 marks"},
    {pickle("X" + raw(std::uint32_t{5000}) + std::string(5000, 'a') + "N\x93"), "above 4096 bytes"},
};

TEST(Pickle, RefusesBrokenInstructions) {
  for (const Row& row : kBroken) {
    const std::string message = refusal(row.body);
    EXPECT_NE(message.find(row.says), std::string::npos)
        << "row " << &row - kBroken.data() << ": " << message;
  }
}

TEST(Pickle, BoundsMemoAndObjects) {
  std::string memo = "N";
  for (std::uint32_t i = 0; i < 1'000'001; ++i) memo += "r" + raw(i);
  EXPECT_NE(refusal(pickle(memo)).find("more than 1000000 things remembered"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 4'000'001; ++i) objects += "N0";
  EXPECT_NE(refusal(pickle(objects)).find("more than 4000000 objects"), std::string::npos);
}

TEST(Pickle, StopsBehindItsLastInstruction) {
  const std::string bytes = pickle("K\1") + "rest";
  EXPECT_EQ(read_pickle(as_bytes(bytes)).bytes_read, bytes.size() - 4);
}

TEST(Pickle, SurvivesMutation) {
  const std::string good =
      pickle(dictionary({{text("a"), tensor()},
                         {text("b"), list({integer(1), "\x94", "h\0"s})},
                         {text("c"), call(global("torch", "Size"), {integers({1, 2})})}}));
  std::mt19937 random{3};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (unsigned i = 0; i < 1 + random() % 4; ++i) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = "(.0123NRbcQt}])aeus\x93\x94\x85\x86"[random() % 22];
          break;
        default:
          bytes.erase(at, 1);
      }
    }
    try {
      const PickledData data = read_pickle(as_bytes(bytes));
      ASSERT_LT(data.root, data.objects.size());
      ++accepted;
    } catch (const Error& error) {
      ASSERT_FALSE(error.message.empty());
    }
  }
  EXPECT_GT(accepted, 100);
}

// The address sanitizer has calls of its own to make whenever something is thrown.
#ifndef __SANITIZE_ADDRESS__
/// Every body of this file, good and bad, and one per gadget and way of calling it.
std::vector<std::string> all_bodies() {
  std::vector<std::string> bodies{
      "N", dictionary({{text("a"), tensor()}}),
      dictionary({{text("c"), call(global("torch", "Size"), {integers({1, 2})})}})};
  for (const auto& [module, name] : kGadgets) {
    const std::string arguments = tuple({text("id > /tmp/was_here")});
    bodies.push_back(global(module, name) + arguments + "R");
    bodies.push_back(text(module) + text(name) + "\x93" + arguments + "R");
    bodies.push_back("(" + text("id") + "i" + module + "\n" + name + "\n");
    bodies.push_back("(" + global(module, name) + text("id") + "o");
    bodies.push_back(global(module, name) + arguments + "\x81");
    bodies.push_back(global(module, name) + ")R}" + text("a") + text("b") + "sb");
  }
  for (const std::vector<Row>& rows : {kNoData, kBroken})
    for (const Row& row : rows) bodies.push_back(row.body);
  return bodies;
}

/// Reads what may be no model at all; only how the process ends is of interest.
void try_reading(const std::string& bytes) {
  try {
    read_model_file(as_bytes(bytes), "a.ckpt");
  } catch (const Error&) {
  }
}

TEST(Pickle, AsksTheMachineForNothingButMemoryWhateverItHolds) {
  const std::vector<std::string> bodies = all_bodies();
  EXPECT_GE(bodies.size(), 600u);
  for (const std::string& body : bodies) {
    const std::vector<std::string> files{torch_zip(body),
                                         torch_stream(body, {"0"}, std::string(24, '\2'))};
    // One child for each body, so that a failure names it.
    EXPECT_EQ(sealed::end_of([&files] {
                for (const std::string& file : files) try_reading(file);
              }),
              0)
        << body;
  }
}
#endif

TEST(Pickle, WouldBeKilledForOpeningConnectingOrStarting) {
  EXPECT_EQ(sealed::end_of([] { ::open("/dev/null", O_RDONLY); }), SIGSYS);
  EXPECT_EQ(sealed::end_of([] { ::socket(AF_INET, SOCK_STREAM, 0); }), SIGSYS);
  EXPECT_EQ(sealed::end_of([] { ::execl("/bin/true", "true", nullptr); }), SIGSYS);
  EXPECT_EQ(sealed::end_of([] { ::fork(); }), SIGSYS);
}

}  // namespace
}  // namespace comfy::formats
