// Files over HTTP: handed in piece by piece, limited, kept, shown, and used by runs.
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

struct part {
  std::string name, body, filename, type;
  bool is_file = false;
};

constexpr const char* boundary = "----perdure-test";

std::string multipart(const std::vector<part>& parts) {
  std::string out;
  for (const auto& each : parts) {
    out += std::string{"--"} + boundary + "\r\nContent-Disposition: form-data; name=\"" + each.name + "\"";
    if (each.is_file) out += "; filename=\"" + each.filename + "\"";
    out += "\r\n";
    if (!each.type.empty()) out += "Content-Type: " + each.type + "\r\n";
    out += "\r\n" + each.body + "\r\n";
  }
  return out + "--" + boundary + "--\r\n";
}

struct cabinet {
  workplace here;
  std::unique_ptr<served> at;
  std::string key, other_workflow, other_tenant;

  explicit cabinet(std::vector<std::string> more = {}) {
    std::filesystem::create_directory(here.path("workflows"));
    here.write("workflows/count.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: count, version: 1.0.0}\n"
               "do:\n  - read:\n      run:\n        shell:\n          command: cat \"$FILE\"\n          environment:\n"
               "            FILE: '${ .[\"sys.files\"][0].path }'\n  - say:\n      set: {text: '${ . }'}\n");
    here.write("workflows/else.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: else, version: 1.0.0}\ndo: [{a: {set: {x: 1}}}]\n");
    more.insert(more.end(), {"--workflows", here.path("workflows").string()});
    here.write(
        "workflows/tell.yaml",
        "document: {dsl: '1.0.3', namespace: default, name: tell, version: 1.0.0}\n"
        "do:\n  - shell:\n      run: {shell: {command: 'test -r \"$1\" && printf %s \"$1\"', arguments: ['${ "
        ".[\"sys.files\"][0].path }']}}\n  - fail:\n      try:\n        - bad: {run: {shell: {command: 'echo \"$1\" >&2; exit "
        "3', arguments: ['${ . }']}}}\n      catch: {as: e, do: [{seen: {set: {path: '${ . }', why: '${ $e.detail }'}}}]}\n"
        "  - job:\n      call: job\n      with:\n        backend: process\n        spec: {program: sh, arguments: ['-c', "
        "'cat \"$1\"', sh, '${ .path }']}\n        poll: {interval: {milliseconds: 200}}\n      output: {as: '${ {job: .status} "
        "}'}\n");
    at = std::make_unique<served>(here, more);
    key = at->key({"--workflow", "count"});
    other_workflow = at->key({"--workflow", "else"});
    other_tenant = at->key({"--tenant", "other"});
  }
  [[nodiscard]] http_answer send(const std::vector<part>& parts, const std::string& as = {}) const {
    return at->call_as(as.empty() ? key : as, "POST", "/v1/files/upload", multipart(parts),
                       {{"Content-Type", std::string{"multipart/form-data; boundary="} + boundary}});
  }
  [[nodiscard]] http_answer send(const std::string& name, const std::string& body, const std::string& type = {}) const {
    return send({{"user", "ada", {}, {}}, {"file", body, name, type, true}});
  }
  [[nodiscard]] std::size_t files_under(const std::string& folder) const {
    std::size_t out = 0;
    std::error_code bad;
    for (const auto& each : std::filesystem::directory_iterator(here.path("data") / "files" / "default" / folder, bad))
      out += each.is_regular_file() ? 1 : 0;
    return out;
  }
};

std::string preview(const std::string& id) { return "/v1/files/" + id + "/preview"; }

}  // namespace

TEST_CASE("a file is kept through a kill, shown whole or in part, and opens by its signed address without a key") {
  const cabinet c;
  const auto stored = c.send("na me.txt", "0123456789", "text/plain");
  REQUIRE(stored.status == 201);
  const auto file = stored.json();
  const auto id = text_of(file.at("id"));
  CHECK(file.at("name") == "na me.txt");
  CHECK(file.at("size") == 10);
  CHECK(file.at("extension") == "txt");
  CHECK(file.at("created_by") == "ada");
  c.at->node().kill();
  c.at->start();
  const auto whole = c.at->call_as(c.key, "GET", preview(id));
  CHECK(whole.status == 200);
  CHECK(whole.body == "0123456789");
  CHECK(whole.header("content-length") == "10");
  CHECK(whole.header("content-type") == "text/plain");
  CHECK(has(whole.header("content-disposition"), "inline"));
  CHECK(has(c.at->call_as(c.key, "GET", preview(id) + "?as_attachment=true").header("content-disposition"), "attachment"));
  const auto head = c.at->call_as(c.key, "HEAD", preview(id));
  CHECK(head.status == 200);
  CHECK(head.header("content-length") == "10");
  const auto ranged = [&](const std::string& range, http_headers more = {}) {
    more.emplace_back("Range", range);
    return c.at->call_as(c.key, "GET", preview(id), {}, more);
  };
  const auto middle = ranged("bytes=2-4");
  CHECK(middle.status == 206);
  CHECK(middle.body == "234");
  CHECK(middle.header("content-range") == "bytes 2-4/10");
  CHECK(ranged("bytes=-3").body == "789");
  CHECK(ranged("bytes=7-").body == "789");
  CHECK(ranged("bytes=0-999").body == "0123456789");
  CHECK(ranged("bytes=10-").status == 416);
  CHECK(ranged("bytes=1-2,4-5").status == 200);
  CHECK(ranged("bytes=2-4", {{"If-Range", "\"other\""}}).status == 200);
  CHECK(ranged("bytes=2-4", {{"If-Range", whole.header("etag")}}).status == 206);

  const auto known = c.at->call_as(c.key, "GET", preview(id), {}, {{"If-None-Match", whole.header("etag")}});
  CHECK(known.status == 304);
  CHECK(known.body.empty());
  CHECK(c.at->call_as(c.key, "GET", preview(id), {}, {{"If-None-Match", "\"other\""}}).status == 200);

  const auto address = text_of(file.at("source_url"));
  CHECK(c.at->call_as("", "GET", address).body == "0123456789");
  auto forged = address;
  forged.back() = forged.back() == '0' ? '1' : '0';
  CHECK(c.at->call_as("", "GET", forged).status == 403);
  CHECK(c.at->call_as("", "GET", preview(id)).status == 401);
  CHECK(c.at->call_as(c.other_workflow, "GET", preview(id)).json().at("code") == "file_access_denied");
  CHECK(c.at->call_as(c.other_tenant, "GET", preview(id)).json().at("code") == "file_not_found");
  CHECK(c.at->call_as(c.other_tenant, "DELETE", "/v1/files/" + id).status == 404);
  CHECK(c.at->call_as(c.key, "DELETE", "/v1/files/" + id).status == 200);
  CHECK(c.at->call_as(c.key, "GET", preview(id)).status == 404);
  CHECK(c.files_under("content") == 0);
}

TEST_CASE("a run reads a file that was handed in; one that is not there, or another's, refuses the start") {
  const cabinet c;
  const auto id = text_of(c.send("in.txt", "what the file says").json().at("id"));
  const auto start = [&](const std::string& as, const std::string& file) {
    return c.at->call_as(
        as, "POST", "/v1/workflows/run",
        R"({"inputs":{},"user":"u","files":[{"type":"document","transfer_method":"local_file","upload_file_id":")" + file +
            R"("}]})",
        {{"Content-Type", "application/json"}});
  };
  const auto done = start(c.key, id);
  REQUIRE(done.status == 200);
  CHECK(done.json().at("data").at("outputs").at("text") == "what the file says");
  CHECK(start(c.key, "018f0000-0000-7000-8000-000000000000").json().at("code") == "invalid_param");
  CHECK(start(c.other_workflow, id).json().at("code") == "invalid_param");
}

TEST_CASE("where a file is on the server is told to its programs and jobs, and nobody sees it over HTTP") {
  const cabinet c;
  const auto key = c.at->key({"--workflow", "tell"});
  const auto shared = text_of(c.send({{"user", "ada", {}, {}}, {"file", "other text", "b.txt", {}, true}}, key).json().at("id"));
  const auto body = R"({"inputs":{"one":{"transfer_method":"local_file","upload_file_id":")" + shared +
                    R"("}},"user":"u","files":[{"type":"document","transfer_method":"local_file","upload_file_id":")" + shared +
                    R"("}]})";
  const auto done = c.at->call_as(key, "POST", "/v1/workflows/run", body, {{"Content-Type", "application/json"}});
  INFO(done.body);
  REQUIRE(done.status == 200);
  REQUIRE(done.json().at("data").at("status") == "partial-succeeded");
  CHECK(done.json().at("data").at("outputs") == json::value{{"job", "succeeded"}});
  const auto run = text_of(done.json().at("workflow_run_id"));
  const auto folder = std::filesystem::absolute(c.here.path("data")).string();
  const std::vector<std::string> places{"/v1/workflows/run/" + run,
                                        "/v1/workflows/logs",
                                        "/api/v1/runs/" + run,
                                        "/api/v1/runs",
                                        "/api/v1/runs/" + run + "/events",
                                        "/api/v1/runs/" + run + "/journal",
                                        "/api/v1/jobs"};
  for (const auto& path : places) {
    const auto told = c.at->call("GET", path);
    INFO(path << ": " << told.body);
    CHECK(told.status == 200);
    CHECK_FALSE(has(told.body, folder));
    CHECK_FALSE(has(told.body, "/content/"));
  }
  const auto input =
      payload::parse_text(text_of(c.at->call_as(key, "GET", "/v1/workflows/run/" + run).json().at("inputs"))).value().value();
  CHECK(input.at("one").at("filename") == "b.txt");
  CHECK(input.at("one").at("upload_file_id") == json::value(shared));
  CHECK(has(text_of(input.at("one").at("path")), "{{perdure-file:default/"));
  http_connection by{c.at->port()};
  by.send(http_request("GET", "/v1/workflow/" + run + "/events?user=u&include_state_snapshot=true",
                       {{"Authorization", "Bearer " + key}}));
  REQUIRE(by.read_head().status == 200);
  for (const auto& [place, each] : heard(by)) CHECK_FALSE(has(std::string{payload{each}.text()}, folder));
  // Nobody makes a mark himself.
  auto forged = text_of(input.at("one").at("path"));
  forged[forged.size() - 3] = forged[forged.size() - 3] == '0' ? '1' : '0';
  const auto wrong =
      c.at->call_as(key, "POST", "/v1/workflows/run", R"({"inputs":{"sys.files":[{"path":")" + forged + R"("}]},"user":"u"})",
                    {{"Content-Type", "application/json"}});
  CHECK(wrong.json().at("data").at("status") == "failed");
}

TEST_CASE("what is wrong with an upload is told in the API's words, and leaves nothing behind") {
  const cabinet c;
  const auto says = [&](const http_answer& of, int status, const std::string& code) {
    INFO(of.body);
    CHECK(of.status == status);
    CHECK(text_of(of.json().at("code")) == code);
  };
  const part user{"user", "ada", {}, {}};
  const part file{"file", "x", "a.txt", "text/plain", true};
  says(c.send({user}), 400, "no_file_uploaded");
  says(c.send({file}), 400, "invalid_param");
  says(c.send({user, file, file}), 400, "too_many_files");
  says(c.send({user, {"file", "x", "", "text/plain", true}}), 400, "filename_not_exists_error");
  says(c.send({user, {"file", "x", "../a.txt", "text/plain", true}}), 400, "invalid_param");
  says(c.send({user, {"file", "x", "a.EXE", "text/plain", true}}), 415, "unsupported_file_type");
  says(c.send({user, {"file", std::string((10U << 20) + 1, 'x'), "a.png", "image/png", true}}), 413, "file_too_large");
  CHECK(c.send({user, {"file", std::string(20U << 20, 'x'), "a.mp4", "video/mp4", true}}).status == 201);
  says(c.at->call_as(c.key, "POST", "/v1/files/upload", "x", {{"Content-Type", "text/plain"}}), 415, "unsupported_media_type");
  says(c.at->call_as(c.key, "POST", "/v1/files/upload", "nothing of the kind",
                     {{"Content-Type", std::string{"multipart/form-data; boundary="} + boundary}}),
       400, "bad_request");
  says(c.at->call_as("", "POST", "/v1/files/upload", multipart({user, file}),
                     {{"Content-Type", std::string{"multipart/form-data; boundary="} + boundary}}),
       401, "unauthorized");
  says(c.send({user, file}, c.at->key({"--rights", "read"})), 403, "forbidden");
  CHECK(c.files_under("content") == 1);
  CHECK(workplace::eventually([&] { return c.files_under("incoming") == 0; }));
  // A client that goes away in the middle.
  {
    http_connection gone{c.at->port()};
    const auto body = multipart({user, {"file", std::string(1U << 20, 'x'), "a.bin", {}, true}});
    const auto whole = http_request(
        "POST", "/v1/files/upload",
        {{"Authorization", "Bearer " + c.key}, {"Content-Type", std::string{"multipart/form-data; boundary="} + boundary}}, body);
    gone.send(whole.substr(0, whole.size() / 2));
    CHECK(workplace::eventually([&] { return c.files_under("incoming") == 1; }));
  }
  CHECK(workplace::eventually([&] { return c.files_under("incoming") == 0; }));
  // The connection of a good upload stays usable.
  http_connection again{c.at->port()};
  const auto good = http_request("POST", "/v1/files/upload",
                                 {{"Authorization", "Bearer " + c.key},
                                  {"Expect", "100-continue"},
                                  {"Content-Type", std::string{"multipart/form-data; boundary="} + boundary}},
                                 multipart({user, file}));
  for (int i = 0; i < 2; ++i) {
    again.send(good);
    CHECK(again.read().status == 100);
    CHECK(again.read().status == 201);
  }
  CHECK(c.files_under("content") == 2);
}

TEST_CASE("a tenant's files are limited in all, equal ones count once; what a crash left is swept") {
  const cabinet c{{"--tenant-files", "1000"}};
  const auto first = c.send("a.txt", std::string(600, 'a'));
  CHECK(first.status == 201);
  CHECK(c.send("b.txt", std::string(600, 'b')).json().at("code") == "file_too_large");
  CHECK(c.send("c.txt", std::string(600, 'a')).status == 201);
  CHECK(c.files_under("content") == 1);
  // kill -9 between the content's last step and the file's own: nobody has it, and it does not count.
  c.at->node().kill();
  const auto folder = c.here.path("data") / "files" / "default";
  std::ofstream{folder / "content" / std::string(64, 'd')} << std::string(900, 'd');
  std::ofstream{folder / "incoming" / "half"} << "half";
  std::ofstream{folder / "known" / "x.json.new"} << "{";
  c.at->start();
  CHECK(c.files_under("content") == 1);
  CHECK(c.files_under("incoming") == 0);
  CHECK(c.files_under("known") == 2);
  CHECK(c.at->call_as(c.key, "DELETE", "/v1/files/" + text_of(first.json().at("id"))).status == 200);
  CHECK(c.send("b.txt", std::string(600, 'b')).status == 413);
}
