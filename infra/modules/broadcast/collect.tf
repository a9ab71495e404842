# collect: a link of a mail is opened -> a message for track. The one function that strangers reach without a login, and so without a way to the
# database.
# Trigger: HTTP, behind CloudFront.

module "collect" {
  source = "../function"

  deployment         = local.deployment
  name               = "collect"
  size               = local.functions.collect
  url                = true
  subnet_ids         = local.place.collect.subnet_ids
  security_group_ids = local.place.collect.security_group_ids

  environment = merge(
    {
      DEPLOYMENT      = var.name
      TRACK_QUEUE_URL = module.track_queue.url
    },
    local.environment.settings,
    local.environment.master,
    local.environment.edge,
  )

  policy = {
    Settings = local.allow.settings
    Master   = local.allow.master
    Nudge = {
      actions   = ["sqs:SendMessage"]
      resources = [module.track_queue.arn]
    }
  }

  depends_on = [module.track]
}
