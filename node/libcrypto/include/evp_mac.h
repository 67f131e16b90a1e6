
/* SQLCipher computes its page MACs by OpenSSL 3's EVP_MAC, of which AWS-LC has no part. These are the calls that it makes,
   each one of AWS-LC's HMAC. Appended to AWS-LC's <openssl/hmac.h> by build.rs. */
#ifndef SYMBOLON_EVP_MAC_H
#define SYMBOLON_EVP_MAC_H

#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <string.h>

typedef struct {
  const char *key;
  unsigned int data_type;
  const void *data;
  size_t data_size;
  size_t return_size;
} OSSL_PARAM;

#define OSSL_PARAM_UTF8_STRING 4
#define OSSL_PARAM_END { NULL, 0, NULL, 0, 0 }

/* There is one algorithm, so there is nothing to fetch; the pointer is not looked into. */
typedef struct symbolon_evp_mac EVP_MAC;
typedef HMAC_CTX EVP_MAC_CTX;

static inline EVP_MAC *EVP_MAC_fetch(void *library, const char *algorithm, const char *properties) {
  static char hmac;
  (void)library;
  (void)properties;
  return strcmp(algorithm, "HMAC") == 0 ? (EVP_MAC *)&hmac : NULL;
}

static inline void EVP_MAC_free(EVP_MAC *mac) { (void)mac; }

static inline EVP_MAC_CTX *EVP_MAC_CTX_new(EVP_MAC *mac) {
  (void)mac;
  return HMAC_CTX_new();
}

static inline void EVP_MAC_CTX_free(EVP_MAC_CTX *context) { HMAC_CTX_free(context); }

static inline int EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t length, const OSSL_PARAM params[]) {
  const EVP_MD *digest = NULL;
  for (; params != NULL && params->key != NULL; params++) {
    if (strcmp(params->key, "digest") == 0) {
      digest = EVP_get_digestbyname((const char *)params->data);
    }
  }
  return digest == NULL ? 0 : HMAC_Init_ex(context, key, length, digest, NULL);
}

static inline int EVP_MAC_update(EVP_MAC_CTX *context, const unsigned char *data, size_t length) {
  return HMAC_Update(context, data, length);
}

/* Without a place for it only the length is given. */
static inline int EVP_MAC_final(EVP_MAC_CTX *context, unsigned char *out, size_t *length, size_t room) {
  unsigned int written = 0;
  if (out == NULL) {
    *length = HMAC_size(context);
    return 1;
  }
  if (room < HMAC_size(context) || !HMAC_Final(context, out, &written)) {
    return 0;
  }
  *length = written;
  return 1;
}

#endif
