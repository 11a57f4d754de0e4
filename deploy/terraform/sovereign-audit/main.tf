# One jurisdiction's evidence: a bucket that nobody can delete from, the keys that sign the log in it, and the roles that reach them. Meant for an AWS account
# in which nothing else runs, since closing the account is the one way around COMPLIANCE retention.

data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # "log/" or "": begins every key of the store.
  key_prefix = var.prefix == "" ? "" : "${var.prefix}/"

  bucket_policy = templatefile("${path.module}/policies/bucket.json.tftpl", {
    bucket_arn              = aws_s3_bucket.evidence.arn
    key_prefix              = local.key_prefix
    sink_role_arn           = aws_iam_role.sink.arn
    auditor_role_arn        = aws_iam_role.auditor.arn
    legal_hold_role_arn     = aws_iam_role.legal_hold.arn
    intent_gateway_role_arn = aws_iam_role.intent_gateway.arn
    full_days_min           = var.retention_days_min - 1
    short_days_min          = var.short_retention_days - 1
    retention_days_max      = var.retention_days_max
  })

  signing_algorithm = var.signing_key_spec == "ECC_NIST_P256" ? "ECDSA_SHA_256" : "ED25519_SHA_512"
}

# Comparing here makes a wrong provider fail at plan, before anything is written where it must not be.
resource "terraform_data" "place" {
  input = var.jurisdiction

  lifecycle {
    precondition {
      condition     = data.aws_partition.current.partition == var.partition
      error_message = "The provider's partition is not the one that the jurisdiction demands."
    }
    precondition {
      condition     = data.aws_region.current.region == var.region
      error_message = "The provider's region is not the one that the jurisdiction demands."
    }
    precondition {
      condition     = var.retention_days_min <= var.retention_days_max && var.short_retention_days <= var.retention_days_min
      error_message = "short_retention_days <= retention_days_min <= retention_days_max."
    }
  }
}
