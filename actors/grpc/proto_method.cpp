// Operation: libprotobuf parses the text, and makes messages of what it describes; their JSON is protobuf's own mapping, with
// fields that have their default. The well-known types of protobuf may be imported, other files may not: a document names one
// resource.
#include "actors/grpc/proto_method.hpp"

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

namespace pb = google::protobuf;

/// The first problem, with its place.
class first_problem : public pb::io::ErrorCollector, public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    keep("line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " + message);
  }
  void AddError(const std::string&, const std::string& element, const pb::Message*, ErrorLocation,
                const std::string& message) override {
    keep(element + ": " + message);
  }
  std::string text;

 private:
  void keep(std::string what) {
    if (text.empty()) text = std::move(what);
  }
};

class method_of_pool final : public proto_method {
 public:
  static result<std::shared_ptr<const proto_method>> make(const std::string& proto, const std::string& service,
                                                          const std::string& method) {
    auto out = std::make_shared<method_of_pool>();
    first_problem problem;
    pb::FileDescriptorProto file;
    pb::io::ArrayInputStream text{proto.data(), static_cast<int>(proto.size())};
    pb::io::Tokenizer tokens{&text, &problem};
    pb::compiler::Parser parser;
    parser.RecordErrorsTo(&problem);
    if (!parser.Parse(&tokens, &file) || !problem.text.empty()) return wrong("the proto file cannot be read: " + problem.text);
    file.set_name("document.proto");
    const auto* built = out->pool_.BuildFileCollectingErrors(file, &problem);
    if (built == nullptr) return wrong("the proto file is not valid: " + problem.text);
    const auto* found = out->pool_.FindServiceByName(service);
    if (found == nullptr && !file.package().empty()) found = out->pool_.FindServiceByName(file.package() + "." + service);
    if (found == nullptr) return wrong("the proto file has no service \"" + service + "\"");
    out->method_ = found->FindMethodByName(method);
    if (out->method_ == nullptr) return wrong("the service \"" + service + "\" has no method \"" + method + "\"");
    out->path_ = "/" + std::string{found->full_name()} + "/" + method;
    out->messages_.SetDelegateToGeneratedFactory(true);
    return std::shared_ptr<const proto_method>{std::move(out)};
  }

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] bool takes_stream() const override { return method_->client_streaming(); }
  [[nodiscard]] bool gives_stream() const override { return method_->server_streaming(); }

  [[nodiscard]] result<std::string> encode(const json::value& arguments) const override {
    const std::unique_ptr<pb::Message> message{messages_.GetPrototype(method_->input_type())->New()};
    std::string text;
    core::write_json_text(text, arguments);
    const auto read = pb::util::JsonStringToMessage(text, message.get());
    if (!read.ok())
      return wrong("the arguments do not fit " + std::string{method_->input_type()->full_name()} + ": " +
                   std::string{read.message()});
    std::string out;
    if (!message->SerializeToString(&out))
      return wrong("the arguments do not fit " + std::string{method_->input_type()->full_name()});
    return out;
  }

  [[nodiscard]] result<json::value> decode(std::string_view bytes) const override {
    const std::unique_ptr<pb::Message> message{messages_.GetPrototype(method_->output_type())->New()};
    if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return wrong("the answer is no " + std::string{method_->output_type()->full_name()});
    pb::util::JsonPrintOptions how;
    how.always_print_primitive_fields = true;
    std::string text;
    const auto written = pb::util::MessageToJsonString(*message, &text, how);
    if (!written.ok()) return wrong("the answer has no JSON: " + std::string{written.message()});
    return core::read_json_text(text);
  }

 private:
  static error wrong(std::string what) { return {errc::invalid_argument, std::move(what)}; }

  pb::DescriptorPool pool_{pb::DescriptorPool::generated_pool()};
  mutable pb::DynamicMessageFactory messages_{&pool_};  // it locks
  const pb::MethodDescriptor* method_ = nullptr;
  std::string path_;
};

}  // namespace

result<std::shared_ptr<const proto_method>> proto_method::find(const std::string& proto, const std::string& service,
                                                               const std::string& method) {
  if (proto.size() > limits::document_bytes) return error{errc::invalid_argument, "the proto file is too large"};
  return method_of_pool::make(proto, service, method);
}

}  // namespace perdure::actors
