# Keys of one region (never multi-Region: copies elsewhere are what residency forbids). Asymmetric keys are not rotated by KMS; a new epoch of the log takes a
# new key.

locals {
  signing_policy = templatefile("${path.module}/policies/signing-key.json.tftpl", {
    sink_role_arn          = aws_iam_role.sink.arn
    auditor_role_arn       = aws_iam_role.auditor.arn
    key_administrator_arns = var.key_administrator_arns
    signing_algorithm      = local.signing_algorithm
  })
}

# Signs the checkpoints.
resource "aws_kms_key" "log" {
  description                        = "Writ: checkpoints of the audit log of ${var.jurisdiction}"
  customer_master_key_spec           = var.signing_key_spec
  key_usage                          = "SIGN_VERIFY"
  multi_region                       = false
  policy                             = local.signing_policy
  bypass_policy_lockout_safety_check = false

  depends_on = [terraform_data.place]
}

# Signs the time of each checkpoint (cosignature/v1). A key of its own: one key must not sign two kinds of notes.
resource "aws_kms_key" "cosign" {
  description                        = "Writ: signed time of the audit log of ${var.jurisdiction}"
  customer_master_key_spec           = "ECC_NIST_EDWARDS25519"
  key_usage                          = "SIGN_VERIFY"
  multi_region                       = false
  bypass_policy_lockout_safety_check = false
  count                              = var.signing_key_spec == "ECC_NIST_EDWARDS25519" ? 1 : 0
  policy                             = local.signing_policy

  depends_on = [terraform_data.place]
}

# Wraps the keys of data subjects.
resource "aws_kms_key" "wrap" {
  description                        = "Writ: keys of data subjects of ${var.jurisdiction}"
  customer_master_key_spec           = "SYMMETRIC_DEFAULT"
  key_usage                          = "ENCRYPT_DECRYPT"
  enable_key_rotation                = true
  multi_region                       = false
  bypass_policy_lockout_safety_check = false
  policy = templatefile("${path.module}/policies/wrap-key.json.tftpl", {
    intent_gateway_role_arn = aws_iam_role.intent_gateway.arn
    key_administrator_arns  = var.key_administrator_arns
  })

  depends_on = [terraform_data.place]
}

resource "aws_kms_alias" "log" {
  name          = "alias/${var.name}-log"
  target_key_id = aws_kms_key.log.key_id
}

resource "aws_kms_alias" "wrap" {
  name          = "alias/${var.name}-wrap"
  target_key_id = aws_kms_key.wrap.key_id
}
