"""The check finds what it is for: each mistake, and the words for it."""

import tempfile
import unittest
from pathlib import Path

from check import Check

QUEUE = 'resource "aws_sqs_queue" "x" { %s }'
FUNCTION = 'resource "aws_lambda_function" "x" {\n function_name = "x"\n role = "x"\n vpc_config {\n %s\n }\n }'
ALARM = 'resource "aws_cloudwatch_metric_alarm" "x" {\n alarm_name = "x"\n evaluation_periods = 1\n comparison_operator = "x"\n %s\n }'
MODULE = 'module "x" {\n source = "./b"\n %s\n }'
VARIABLE = 'variable "v" {\n type = number\n description = "v"\n %s\n }'
PIN = 'terraform {\n required_providers {\n aws = {\n version = "%s"\n }\n }\n }'
OUTPUT = '\noutput "o" {\n description = "o"\n value = %s\n }'

MISTAKES = [
    (QUEUE % 'nam = "x"', 'a.tf: aws_sqs_queue.x has no argument "nam"'),
    ('resource "aws_sqs_kju" "x" {}', "a.tf: aws_sqs_kju.x is of a type that is not known: there is no such type"),
    ('resource "gcp_sql" "x" {}', "there is no package of its provider in requirements.txt"),
    ('resource "aws_s3_bucket_policy" "x" { bucket = "x" }', 'a.tf: aws_s3_bucket_policy.x needs "policy"'),
    (QUEUE % "timeouts = {}", 'has "timeouts" as an argument: it is a block'),
    (QUEUE % "tags { x = 1 }", 'has "tags" as a block: it is an argument'),
    (QUEUE % 'dynamic "rule" {\n for_each = []\n content {}\n }', 'has no block "rule"'),
    (FUNCTION % "subnets = []", 'a.tf: aws_lambda_function.x.vpc_config has no argument "subnets"'),
    (QUEUE % 'name = "${var.y}-x"', "refers to var.y, which is not declared"),
    (QUEUE % 'name = upper("var.y ${local.z["a"].b}")', "refers to local.z, which is not declared"),
    (QUEUE % "name = aws_sqs_queue.y.arn", "refers to aws_sqs_queue.y, which is not declared"),
    (QUEUE % "name = [for q in aws_sqs_queue.x : q.arn][aws_sqs_queue.x.ann]", 'it has no attribute "ann"'),
    (QUEUE % "name = data.aws_region.x.name", "refers to data.aws_region.x, which is not declared"),
    (MODULE % "", 'a.tf: module.x needs "must"'),
    (MODULE % "must = 1\n more = 2", 'a.tf: module.x is given "more", and has no such variable'),
    (MODULE % "must = 1" + OUTPUT % "module.x.none", 'that module has no output "none"'),
    (VARIABLE % 'validation {\n condition = var.v != ""\n error_message = "v"\n }', "a.tf: variable.v is used nowhere"),
    ('variable "v" {}\n' + QUEUE % "name = var.v", "a.tf: variable.v has no description"),
    ("locals { a = 1 }", "a.tf: local.a is used nowhere"),
    (PIN % "6.0.0", "a.tf: terraform pins aws 6.0.0, and is checked by the schema of "),
    (ALARM % "", "names no runbook"),
    (ALARM % 'alarm_description = "README.md#fire"', 'names the runbook "fire", and infra/README.md has no such heading'),
]
WELL = [
    PIN % ">= 6, < 7",
    QUEUE % 'name = "$${var.y} and var.z"',
    ALARM % 'alarm_description = "README.md#known-one"',
    'resource "aws_eip" "x" { count = 2 }' + OUTPUT % "aws_eip.x[*].public_ip",
]


def problems_of(text: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "README.md").write_text("## Known one\n", encoding="utf-8")
        (root / "a.tf").write_text(text + "\n", encoding="utf-8")
        (root / "b").mkdir()
        (root / "b/b.tf").write_text(VARIABLE.replace('"v"', '"must"') % "" + OUTPUT % "var.must", encoding="utf-8")
        return Check(root).run()


class TheCheck(unittest.TestCase):
    def test_each_mistake_is_told(self):
        for text, words in MISTAKES:
            with self.subTest(words):
                self.assertTrue(any(words in problem for problem in problems_of(text)), problems_of(text))

    def test_what_is_well_is_not(self):
        for text in WELL:
            with self.subTest(text):
                self.assertEqual(problems_of(text), [])


if __name__ == "__main__":
    unittest.main()
