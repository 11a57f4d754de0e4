# Roles without a policy of their own: what they may do stands in the policies of bucket and keys, in one place.

locals {
  roles = {
    sink           = var.sink_principal_arns
    intent-gateway = var.intent_gateway_principal_arns
    auditor        = var.auditor_principal_arns
    legal-hold     = var.legal_hold_principal_arns
  }
  trust = {
    for role, principals in local.roles :
    role => templatefile("${path.module}/policies/trust.json.tftpl", { principal_arns = principals })
  }
}

resource "aws_iam_role" "sink" {
  name               = "${var.name}-sink"
  assume_role_policy = local.trust["sink"]
}

resource "aws_iam_role" "intent_gateway" {
  name               = "${var.name}-intent-gateway"
  assume_role_policy = local.trust["intent-gateway"]
}

resource "aws_iam_role" "auditor" {
  name               = "${var.name}-auditor"
  assume_role_policy = local.trust["auditor"]
}

resource "aws_iam_role" "legal_hold" {
  name               = "${var.name}-legal-hold"
  assume_role_policy = local.trust["legal-hold"]
}
