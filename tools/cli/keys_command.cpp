// keys create | list | revoke: the API keys of a data directory, also while a server runs there.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/cli/command.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/times.hpp"
#include "tools/gateway/keys.hpp"

namespace perdure::tools::cli {

namespace {

struct keys_command {
  common_options common;
  std::string tenant{gateway::default_tenant};
  std::string workflow, rights = "run,read", expires, id;
};

int create_key(const keys_command& how) {
  const auto may = gateway::rights::read(how.rights);
  if (!may) return fail_usage(how.common, "--rights: " + may.error().message);
  if (!gateway::is_tenant_name(how.tenant))
    return fail_usage(how.common, "--tenant: a name has 1 to 63 lower-case letters, digits and hyphens");
  const auto now = wall_clock();
  gateway::api_key what;
  what.tenant = how.tenant;
  what.workflow = how.workflow;
  what.may = *may;
  if (!how.expires.empty()) {
    const auto length = read_duration(how.expires, "--expires");
    if (!length) return fail(how.common, length.error(), exit_usage);
    if (*length <= duration{0})
      return fail_usage(how.common, "--expires: a key is valid for longer than \"" + how.expires + "\"");
    what.expires_at = now + *length;
  }
  gateway::key_store store{how.common.data};
  const auto made = store.create(std::move(what), now);
  if (!made) return fail(how.common, made.error());
  if (how.common.json) {
    auto out = gateway::to_json_object(made->key, now);
    out.emplace("key", made->text);
    put_json(out);
  } else {
    note("key " + made->key.id + "; its text is shown only now:");
    put_line(made->text);
  }
  return exit_fine;
}

int list_keys(const keys_command& how) {
  const gateway::key_store store{how.common.data};
  const auto keys = store.list();
  if (!keys) return fail(how.common, keys.error());
  const auto now = wall_clock();
  if (how.common.json) {
    json::array out;
    for (const auto& each : *keys) out.push_back(gateway::to_json_object(each, now));
    put_json(json::object{{"keys", std::move(out)}});
    return exit_fine;
  }
  table out{{{"KEY", 16}, {"TENANT", 8}, {"WORKFLOW", 8}, {"RIGHTS", 8}, {"CREATED", 0, true}, {"STATE"}}};
  for (const auto& each : *keys) {
    std::string may;
    for (const auto& name : each.may.names()) may += (may.empty() ? "" : ",") + name;
    const std::string state = each.revoked_at ? "revoked" : each.valid(now) ? "valid" : "expired";
    out.add({{each.id},
             {each.tenant},
             {each.workflow.empty() ? "all" : printable(each.workflow)},
             {may},
             {relative(each.created_at, now)},
             {state, each.valid(now) ? colour::plain : colour::red}});
  }
  put(out.empty() ? "no keys\n" : out.text(terminal_width()));
  return exit_fine;
}

int revoke_key(const keys_command& how) {
  gateway::key_store store{how.common.data};
  const auto now = wall_clock();
  const auto key = store.revoke(how.id, now);
  if (!key) return fail(how.common, key.error());
  how.common.json ? put_json(gateway::to_json_object(*key, now)) : put_line("key " + key->id + " is revoked");
  return exit_fine;
}

}  // namespace

void add_keys_commands(CLI::App& app, chosen_command& chosen) {
  auto* keys = app.add_subcommand("keys", "API keys of a service, also while it runs");
  keys->require_subcommand(1);
  const auto add = [&](const char* verb, const char* help, int (*does)(const keys_command&)) {
    auto how = std::make_shared<keys_command>();
    auto* command = keys->add_subcommand(verb, help);
    add_common_options(*command, how->common);
    command->callback([&chosen, how, does] { chosen = [how, does] { return does(*how); }; });
    return std::pair{command, how};
  };
  auto [create, made] = add("create", "A new key; its text is printed once and stored nowhere", create_key);
  create->add_option("--tenant", made->tenant, "Whose runs it starts and sees")->capture_default_str();
  create->add_option("--workflow", made->workflow, "Only this workflow")->type_name("NAME");
  create->add_option("--rights", made->rights, "Of run, read, deploy, admin")->type_name("LIST")->capture_default_str();
  create->add_option("--expires", made->expires, "How long it is valid (90d, 12h); for ever without")->type_name("DURATION");
  add("list", "All keys, without their texts", list_keys);
  auto [revoke, ended] = add("revoke", "Takes a key away, at once", revoke_key);
  revoke->add_option("ID", ended->id, "The key's id, as `keys list` shows it")->required();
}

}  // namespace perdure::tools::cli
