# Texts with codes. These are settings of the account and region: share neither with another sender of texts.

resource "aws_sns_sms_preferences" "this" {
  monthly_spend_limit = var.texts_usd
  default_sms_type    = "Transactional"
}
