// Encrypts and decrypts the values of a state store, byte for byte as Dapr's automatic state encryption does, so that a
// store can be shared with a daprd: AES-GCM, and what is stored is base64(nonce, ciphertext, tag) + "||" + the name of
// the key. https://docs.dapr.io/developing-applications/building-blocks/state-management/howto-encrypt-state/
//
// Immutable once made: any thread. Costs CPU on the thread that calls, and the system's random numbers for each nonce.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/component.h"
#include "config/diagnostics.h"

namespace tandem::policy {

// `name` is stored beside each value and finds the key again: in Dapr the name of the secret that holds it.
struct EncryptionKey {
  std::string name;
  std::string bytes;  // 16, 24 or 32
};

struct EncryptionKeys {
  EncryptionKey primary;                   // what is written
  std::optional<EncryptionKey> secondary;  // what was written before the last rotation
};

// The keys that a component's metadata name (primaryEncryptionKey, secondaryEncryptionKey; hexadecimal), its secrets
// resolved; nullopt: none, or `diagnostics` has an error. A key that is no secret has no name to store: then a
// fingerprint of it stands for one, with a warning, since no daprd knows such names.
std::optional<EncryptionKeys> read_encryption_keys(const config::Component& component,
                                                   config::Diagnostics& diagnostics);

class StateCipher final {
 public:
  explicit StateCipher(EncryptionKeys keys, std::string store);

  Result<std::string> encrypt(std::string_view value) const;
  // Fails with kInternal, in Dapr's words where it has any: a value that was never encrypted, one whose key is neither
  // of the two, and one that was changed or belongs to another key of the same name. Empty stays empty.
  Result<std::string> decrypt(std::string_view stored) const;

 private:
  const EncryptionKey* find(std::string_view name) const;

  const EncryptionKeys keys_;
  const std::string store_;
};

}  // namespace tandem::policy
