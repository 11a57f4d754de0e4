terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Older ones do not know KMS keys of the kind ECC_NIST_EDWARDS25519.
      version = ">= 6.21"
    }
  }
}
