resource "aws_s3_bucket" "evidence" {
  bucket              = var.name
  object_lock_enabled = true
  force_destroy       = false

  depends_on = [terraform_data.place]

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  versioning_configuration {
    status = "Enabled"
  }
}

# No default retention: every object brings its own, and the bucket policy refuses one that does not. A default would hide a writer that forgot.
resource "aws_s3_bucket_object_lock_configuration" "evidence" {
  bucket              = aws_s3_bucket.evidence.id
  object_lock_enabled = "Enabled"

  depends_on = [aws_s3_bucket_versioning.evidence]
}

# SSE-S3, not KMS: who can delete or disable a KMS key can make locked evidence unreadable, which is a deletion by another name. What is personal in the
# evidence is encrypted before it comes here.
resource "aws_s3_bucket_server_side_encryption_configuration" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "evidence" {
  bucket                  = aws_s3_bucket.evidence.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# Probes of the boot self-test are locked for a day; S3 removes no version before its lock ends. Nothing else ever expires by itself here: a log that is past its
# retention is a matter of a person's decision.
resource "aws_s3_bucket_lifecycle_configuration" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    id     = "probes"
    status = "Enabled"

    filter {
      prefix = "${local.key_prefix}.probe/"
    }

    expiration {
      days = 2
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.evidence]
}

# Last of all: it forbids everybody, this module too, to change any of the above.
resource "aws_s3_bucket_policy" "evidence" {
  bucket = aws_s3_bucket.evidence.id
  policy = local.bucket_policy

  depends_on = [
    aws_s3_bucket_versioning.evidence,
    aws_s3_bucket_object_lock_configuration.evidence,
    aws_s3_bucket_server_side_encryption_configuration.evidence,
    aws_s3_bucket_public_access_block.evidence,
    aws_s3_bucket_ownership_controls.evidence,
    aws_s3_bucket_lifecycle_configuration.evidence,
  ]
}
