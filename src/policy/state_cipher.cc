#include "policy/state_cipher.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <memory>
#include <utility>

#include "base/base64.h"
#include "base/text.h"

namespace tandem::policy {
namespace {

constexpr std::string_view kSeparator = "||";
constexpr std::size_t kNonce = 12;
constexpr std::size_t kTag = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

Context new_context() { return {EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free}; }

const EVP_CIPHER* cipher_for(const EncryptionKey& key) {
  switch (key.bytes.size()) {
    case 16: return EVP_aes_128_gcm();
    case 24: return EVP_aes_192_gcm();
    default: return EVP_aes_256_gcm();
  }
}

unsigned char* bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }
const unsigned char* bytes(const char* text) { return reinterpret_cast<const unsigned char*>(text); }

std::optional<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

// A name for a key that has none of its own. It tells nothing of the key, and one key has one name wherever it stands.
std::string fingerprint(std::string_view key) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(key.data(), key.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string name = "sha256-";
  for (std::size_t i = 0; i < 8; ++i) name += fmt::format("{:02x}", digest[i]);
  return name;
}

// Nullopt: there is no such key, or `diagnostics` says what is wrong with it. The key itself is in no message.
std::optional<EncryptionKey> read_key(const config::Component& component, std::string_view item_name,
                                      config::Diagnostics& diagnostics) {
  const config::MetadataItem* item = component.find(item_name);
  if (item == nullptr) return std::nullopt;
  const auto mistake = [&](std::string_view text) {
    diagnostics.error(component.position(*item),
                      fmt::format("component \"{}\": {}: {}", component.name, item_name, text));
    return std::nullopt;
  };
  if (item->value.empty()) return mistake("encryption key cannot be empty");
  auto key = decode_hex(item->value);
  if (!key) return mistake("the key must be hexadecimal digits, two for each byte");
  if (key->size() != 16 && key->size() != 24 && key->size() != 32) {
    return mistake(fmt::format("an AES key has 16, 24 or 32 bytes, this one {}", key->size()));
  }
  if (item->secret_key_ref) {
    if (item->secret_key_ref->name.contains(kSeparator)) {
      return mistake("the name of the secret stands behind each value after \"||\", so it cannot contain it");
    }
    return EncryptionKey{item->secret_key_ref->name, std::move(*key)};
  }
  diagnostics.warning(
      component.position(*item),
      fmt::format("component \"{}\": {} is not a secretKeyRef, whose name would stand beside each value; "
                  "a daprd that shares the store cannot read what is written",
                  component.name, item_name));
  std::string name = fingerprint(*key);
  return EncryptionKey{std::move(name), std::move(*key)};
}

}  // namespace

std::optional<EncryptionKeys> read_encryption_keys(const config::Component& component,
                                                   config::Diagnostics& diagnostics) {
  const std::size_t errors = diagnostics.error_count();
  auto primary = read_key(component, "primaryEncryptionKey", diagnostics);
  auto secondary = read_key(component, "secondaryEncryptionKey", diagnostics);
  if (diagnostics.error_count() > errors) return std::nullopt;
  if (!primary) {
    if (secondary) {
      diagnostics.warning(component.position(),
                          fmt::format("component \"{}\": values are not encrypted: a secondaryEncryptionKey only reads "
                                      "what an earlier primaryEncryptionKey wrote, and there is none now",
                                      component.name));
    }
    return std::nullopt;
  }
  return EncryptionKeys{std::move(*primary), std::move(secondary)};
}

StateCipher::StateCipher(EncryptionKeys keys, std::string store) : keys_(std::move(keys)), store_(std::move(store)) {}

const EncryptionKey* StateCipher::find(std::string_view name) const {
  if (keys_.primary.name == name) return &keys_.primary;
  if (keys_.secondary && keys_.secondary->name == name) return &*keys_.secondary;
  return nullptr;
}

Result<std::string> StateCipher::encrypt(std::string_view value) const {
  const EncryptionKey& key = keys_.primary;
  std::string sealed(kNonce + value.size() + kTag, '\0');
  const Context context = new_context();
  int written = 0;
  int rest = 0;
  const bool done =
      context != nullptr && RAND_bytes(bytes(sealed.data()), kNonce) == 1 &&
      EVP_EncryptInit_ex(context.get(), cipher_for(key), nullptr, bytes(key.bytes.data()), bytes(sealed.data())) == 1 &&
      EVP_EncryptUpdate(context.get(), bytes(sealed.data() + kNonce), &written, bytes(value.data()),
                        static_cast<int>(value.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), bytes(sealed.data() + kNonce + written), &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, sealed.data() + kNonce + value.size()) == 1;
  if (!done) return fail(Code::kInternal, "the value could not be encrypted");
  std::string stored = base64_encode(sealed);
  stored.append(kSeparator).append(key.name);
  return stored;
}

Result<std::string> StateCipher::decrypt(std::string_view stored) const {
  if (stored.empty()) return std::string();
  const auto refuse = [&](std::string_view why) {
    return fail(Code::kInternal, fmt::format("could not decrypt data for state store {}: {}", store_, why));
  };
  const std::size_t end = stored.rfind(kSeparator);
  if (end == std::string_view::npos || end + kSeparator.size() == stored.size()) {
    return refuse("encryption key name not found on record");
  }
  const std::string_view name = stored.substr(end + kSeparator.size());
  const EncryptionKey* key = find(name);
  if (key == nullptr) return refuse(fmt::format("no key of the component is named \"{}\"", name));
  const Result<std::string> sealed = base64_decode(stored.substr(0, end));
  if (!sealed) return refuse(sealed.error().message);
  if (sealed->size() < kNonce + kTag) return refuse("the value is too short");

  const std::size_t size = sealed->size() - kNonce - kTag;
  std::string value(size, '\0');
  std::string tag = sealed->substr(kNonce + size);
  const Context context = new_context();
  int written = 0;
  int rest = 0;
  const bool done = context != nullptr &&
                    EVP_DecryptInit_ex(context.get(), cipher_for(*key), nullptr, bytes(key->bytes.data()),
                                       bytes(sealed->data())) == 1 &&
                    EVP_DecryptUpdate(context.get(), bytes(value.data()), &written, bytes(sealed->data() + kNonce),
                                      static_cast<int>(size)) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1 &&
                    EVP_DecryptFinal_ex(context.get(), bytes(value.data() + written), &rest) == 1;
  if (!done) return fail(Code::kInternal, "cipher: message authentication failed");
  return value;
}

}  // namespace tandem::policy
