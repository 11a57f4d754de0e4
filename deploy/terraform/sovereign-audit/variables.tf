variable "name" {
  description = "Begins the names of everything that is made here, for example writ-audit-eu. The bucket's name must be free in the partition."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{2,40}$", var.name))
    error_message = "3 to 41 lower-case letters, digits and hyphens."
  }
}

variable "jurisdiction" {
  description = "The region of the plane whose evidence this is; the key under which WRIT_RESIDENCY lists the demands."
  type        = string
}

variable "region" {
  description = "Where bucket and keys must be. The provider's own region is compared with it."
  type        = string
}

variable "partition" {
  description = "The AWS partition that the jurisdiction demands, for example aws-eusc. The provider's own is compared with it."
  type        = string
}

variable "prefix" {
  description = "What stands behind the bucket in WRIT_STORE, without slashes at its ends. Empty: the whole bucket."
  type        = string
  default     = "log"

  validation {
    condition     = can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?$", var.prefix))
    error_message = "Segments of letters, digits, '.', '_' and '-' that do not begin with a dot, with '/' between them."
  }
}

variable "retention_days_min" {
  description = "No object of the log may be locked for less. At most WRIT_RETENTION_DAYS."
  type        = number
  default     = 190
}

variable "retention_days_max" {
  description = "No object may be locked for more: a mistyped number would stay for as long. At least WRIT_RETENTION_DAYS."
  type        = number
  default     = 2284
}

variable "short_retention_days" {
  description = "How long audit-sink locks what a later object takes the place of: partial tiles and staged batches."
  type        = number
  default     = 30
}

variable "sink_principal_arns" {
  description = "Who may become the sink: the identities of the audit-sink processes in the workload account."
  type        = list(string)
}

variable "intent_gateway_principal_arns" {
  description = "Who may use the wrapping key: the identities of the intent-gateway processes in the workload account."
  type        = list(string)
}

variable "auditor_principal_arns" {
  description = "Who may read the evidence. Only principals of the same partition can assume a role here."
  type        = list(string)
}

variable "legal_hold_principal_arns" {
  description = "Who may put a legal hold on evidence, and lift it."
  type        = list(string)
}

variable "key_administrator_arns" {
  description = "Who may change the keys' policies and disable the keys. The identity that applies this module must be one of them."
  type        = list(string)
}

variable "signing_key_spec" {
  description = "ECC_NIST_P256 only where the region's KMS has no Ed25519: then tools that know Ed25519 alone cannot read the checkpoints."
  type        = string
  default     = "ECC_NIST_EDWARDS25519"

  validation {
    condition     = contains(["ECC_NIST_EDWARDS25519", "ECC_NIST_P256"], var.signing_key_spec)
    error_message = "ECC_NIST_EDWARDS25519 or ECC_NIST_P256."
  }
}
