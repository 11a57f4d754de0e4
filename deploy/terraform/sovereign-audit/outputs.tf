output "store" {
  description = "WRIT_STORE of audit-sink."
  value       = "s3://${aws_s3_bucket.evidence.id}${var.prefix == "" ? "" : "/${var.prefix}"}"
}

output "log_key" {
  description = "WRIT_LOG_KEY of audit-sink."
  value       = "kms:${aws_kms_key.log.arn}"
}

output "cosign_key" {
  description = "The key that signs the time of checkpoints; null where KMS has no Ed25519."
  value       = one([for key in aws_kms_key.cosign : "kms:${key.arn}"])
}

output "wrap_key" {
  description = "WRIT_WRAP_KEY of intent-gateway."
  value       = "kms:${aws_kms_key.wrap.arn}"
}

output "role_arns" {
  description = "What the processes and persons assume."
  value = {
    sink           = aws_iam_role.sink.arn
    intent_gateway = aws_iam_role.intent_gateway.arn
    auditor        = aws_iam_role.auditor.arn
    legal_hold     = aws_iam_role.legal_hold.arn
  }
}

# The row for the file that WRIT_RESIDENCY names.
output "residency" {
  value = jsonencode({
    version = 1
    jurisdictions = {
      (var.jurisdiction) = {
        partition          = data.aws_partition.current.partition
        bucket_regions     = [data.aws_region.current.region]
        retention_days_min = var.retention_days_min
        retention_days_max = var.retention_days_max
        keys               = { regions = [data.aws_region.current.region], specs = [var.signing_key_spec] }
      }
    }
  })
}
