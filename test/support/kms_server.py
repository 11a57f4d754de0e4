"""
moto's KMS over HTTP, with what the tests need and moto lacks, added to its own models:

- the key spec ECC_NIST_EDWARDS25519 with ED25519_SHA_512 (RFC 8032), which AWS KMS has;
- MessageType DIGEST for ECDSA: moto hashes the digest once more, AWS does not;
- a key that is disabled, or waits to be deleted, does nothing: moto goes on with it.

It takes the arguments of moto_server.
"""

import sys
import threading

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils as asymmetric
from moto.core.exceptions import JsonRESTError
from moto.kms import models, responses, utils

ED25519 = "ECC_NIST_EDWARDS25519"
ED25519_SHA_512 = "ED25519_SHA_512"
request = threading.local()


def add_member(enum, name):
    member = str.__new__(enum, name)
    member._name_ = name
    member._value_ = name
    enum._member_map_[name] = member
    enum._value2member_map_[name] = member
    enum._member_names_.append(name)


class Ed25519PrivateKey(utils.AbstractPrivateKey):
    def __init__(self):
        self.private_key = ed25519.Ed25519PrivateKey.generate()

    def sign(self, message, signing_algorithm):
        utils.validate_signing_algorithm(signing_algorithm, [ED25519_SHA_512])
        return self.private_key.sign(message)

    def verify(self, message, signature, signing_algorithm):
        utils.validate_signing_algorithm(signing_algorithm, [ED25519_SHA_512])
        try:
            self.private_key.public_key().verify(signature, message)
            return True
        except InvalidSignature:
            return False

    def public_key(self):
        return self.private_key.public_key().public_bytes(
            encoding=serialization.Encoding.DER,
            format=serialization.PublicFormat.SubjectPublicKeyInfo,
        )


def add_ed25519():
    add_member(utils.KeySpec, ED25519)
    add_member(utils.SigningAlgorithm, ED25519_SHA_512)
    generate = models.generate_private_key
    models.generate_private_key = lambda spec: (
        Ed25519PrivateKey() if spec == ED25519 else generate(spec)
    )
    signing_algorithms = models.Key.signing_algorithms.fget
    models.Key.signing_algorithms = property(
        lambda key: [ED25519_SHA_512] if key.key_spec == ED25519 else signing_algorithms(key)
    )


def take_digests():
    sign_request = responses.KmsResponse.sign
    sign_ecdsa = utils.ECDSAPrivateKey.sign

    def note_type(response):
        request.digest = response._get_param("MessageType") == "DIGEST"
        return sign_request(response)

    def sign(key, message, signing_algorithm):
        if not getattr(request, "digest", False) or signing_algorithm != "ECDSA_SHA_256":
            return sign_ecdsa(key, message, signing_algorithm)
        return key.private_key.sign(message, ec.ECDSA(asymmetric.Prehashed(hashes.SHA256())))

    responses.KmsResponse.sign = note_type
    utils.ECDSAPrivateKey.sign = sign


def refuse_disabled():
    def guarded(act):
        def call(backend, *args, **kwargs):
            named = kwargs.get("key_id") or (args[0] if args and isinstance(args[0], str) else None)
            key = backend.keys.get(backend.any_id_to_key_id(named)) if named else None
            if key is not None and key.key_state == "Disabled":
                raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
            if key is not None and key.key_state != "Enabled":
                raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is {key.key_state}.")
            return act(backend, *args, **kwargs)

        return call

    for name in ("sign", "encrypt", "decrypt", "get_public_key"):
        setattr(models.KmsBackend, name, guarded(getattr(models.KmsBackend, name)))


if __name__ == "__main__":
    add_ed25519()
    take_digests()
    refuse_disabled()
    from moto.server import main

    sys.exit(main(sys.argv[1:]))
