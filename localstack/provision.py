"""Creates (or deletes) one deployment of stack.toml in a running LocalStack, and prints what it made as JSON.

Usage: provision.py --prefix broadcast --endpoint http://127.0.0.1:4566 --binaries target/debug \
           [--only send,generate] [--no-schedules] [--delete]

Every name starts with the prefix, so several deployments live side by side. Creating what exists updates it.
FUNCTION_ENVIRONMENT, a JSON object, holds variables of every function: not an argument, because it has passwords.
In it ADMIN_DATABASE_URL is what functions with database = "owner" get as their DATABASE_URL.
"""

import argparse
import base64
import concurrent.futures
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import tomllib
import zipfile

import boto3
import botocore.config
import botocore.exceptions

REGION = "us-east-1"
ACCOUNT = "000000000000"
# LocalStack answers a few dozen calls a second on two cores; more threads than this only queue there.
THREADS_MAX = 12


class Cloud:
    """One boto3 client per service, made on first use."""

    def __init__(self, endpoint: str):
        self._endpoint = endpoint
        self._session = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )
        self._clients = {}
        self._lock = threading.Lock()

    def __getattr__(self, service: str):
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    {"lambda_": "lambda"}.get(service, service),
                    endpoint_url=self._endpoint,
                    config=botocore.config.Config(
                        s3={"addressing_style": "path"},
                        max_pool_connections=THREADS_MAX,
                        retries={"mode": "standard", "max_attempts": 3},
                    ),
                )
            return self._clients[service]


class Deployment:
    def __init__(self, cloud: Cloud, description: dict, options):
        self.cloud = cloud
        self.description = description
        self.prefix = options.prefix
        self.endpoint = options.endpoint
        self.binaries = os.path.abspath(options.binaries)
        self.given = json.loads(os.environ.get("FUNCTION_ENVIRONMENT", "{}"))
        self.owner_url = self.given.pop("ADMIN_DATABASE_URL", None)
        self.schedules = not options.no_schedules
        wanted = set(options.only.split(",")) if options.only else None
        self.functions = [f for f in description["function"] if wanted is None or f["name"] in wanted]

    def name(self, part: str) -> str:
        return f"{self.prefix}-{part}"

    def queue_arn(self, queue: str) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name(queue)}"

    def role_arn(self, role: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{self.name(role)}"

    def create(self) -> dict:
        with concurrent.futures.ThreadPoolExecutor(THREADS_MAX) as pool:
            # Queues, roles and secrets first: functions, mappings and notifications name them.
            queues = dict(pool.map(self.queue, self.description["queue"]))
            bases = [pool.submit(self.role, role) for role in self.description["role"]]
            bases += [pool.submit(self.secret, secret) for secret in self.description["secret"]]
            for base in bases:
                base.result()
            buckets = pool.map(self.bucket, self.description["bucket"])
            made = {
                "prefix": self.prefix,
                "endpoint": self.endpoint,
                "region": REGION,
                "queues": queues,
                "buckets": dict(buckets),
                "secrets": {s["name"]: self.name(s["name"]) for s in self.description["secret"]},
                "tenant_role_arn": self.role_arn("tenant"),
                "functions": {f["name"]: self.name(f["name"]) for f in self.functions},
            }
            common = self.environment(made)
            urls = pool.map(lambda f: self.function(f, common), self.functions)
            made["urls"] = {name: url for name, url in urls if url}
            made["environment"] = common
            return made

    def environment(self, made: dict) -> dict:
        """What every function (and the gateway) reads; the values given by the caller come last."""
        common = {
            "DEPLOYMENT": self.prefix,
            "AWS_ENDPOINT_URL": self.endpoint,
            "SPOOL_BUCKET": made["buckets"]["spool"],
            "REPORTS_BUCKET": made["buckets"]["reports"],
            "SETTINGS_BUCKET": made["buckets"]["settings"],
            "ANCHORS_BUCKET": made["buckets"]["anchors"],
            "JOURNAL_BUCKET": made["buckets"]["journal"],
            "TENANT_ROLE_ARN": made["tenant_role_arn"],
            "MASTER_KEY_SECRET": made["secrets"]["master-key"],
            "IMPORT_QUEUE_ARN": made["queues"]["import"]["arn"],
        }
        for name, queue in made["queues"].items():
            common[f"{name.upper()}_QUEUE_URL"] = queue["url"]
        return common | self.given

    def queue(self, queue: dict) -> tuple[str, dict]:
        sqs, retention = self.cloud.sqs, self.description["retention"]
        dead = self.name(queue["name"] + "-dlq")
        dead_url = put_queue(sqs, dead, {"MessageRetentionPeriod": retention["dead_letter_seconds"]})
        redrive = {
            "deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}",
            "maxReceiveCount": queue["receives_max"],
        }
        url = put_queue(
            sqs,
            self.name(queue["name"]),
            {
                "VisibilityTimeout": queue["visibility_seconds"],
                "MessageRetentionPeriod": retention["queue_seconds"],
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        return queue["name"], {"url": url, "arn": self.queue_arn(queue["name"]), "dead_letter_url": dead_url}

    def role(self, role: dict) -> None:
        by = role["trusted_by"]
        principal = {"Service": by} if by.endswith(".amazonaws.com") else {"AWS": self.role_arn(by)}
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
        }
        ignore(
            "EntityAlreadyExists",
            self.cloud.iam.create_role,
            RoleName=self.name(role["name"]),
            AssumeRolePolicyDocument=json.dumps(trust),
        )

    def secret(self, secret: dict) -> None:
        name = self.name(secret["name"])
        try:
            self.cloud.secretsmanager.describe_secret(SecretId=name)
        except self.cloud.secretsmanager.exceptions.ResourceNotFoundException:
            value = {"random-32-base64": random_key, "openssh-ed25519": ssh_key}[secret["make"]]()
            self.cloud.secretsmanager.create_secret(Name=name, SecretString=value)

    def bucket(self, bucket: dict) -> tuple[str, str]:
        name = self.name(bucket["name"])
        self.cloud.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=bucket.get("object_lock", False))
        if days := bucket.get("expire_days"):
            rule = {
                "ID": "retention",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "Expiration": {"Days": days},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
            }
            self.cloud.s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
        if "notify" in bucket:
            target = {"QueueArn": self.queue_arn(bucket["notify"]), "Events": ["s3:ObjectCreated:*"]}
            self.cloud.s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"QueueConfigurations": [target]}
            )
        return bucket["name"], name

    def function(self, function: dict, common: dict) -> tuple[str, str | None]:
        cloud, name = self.cloud, self.name(function["name"])
        environment = dict(common, LOCAL_BOOTSTRAP=os.path.join(self.binaries, function["name"]))
        if function.get("database") == "owner" and self.owner_url:
            environment["DATABASE_URL"] = self.owner_url
        settings = {
            "FunctionName": name,
            "Role": self.role_arn("function"),
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Timeout": function["timeout_seconds"],
            "MemorySize": function["memory_mib"],
            "Environment": {"Variables": environment},
        }
        try:
            cloud.lambda_.create_function(Code={"ZipFile": stub()}, **settings)
        except cloud.lambda_.exceptions.ResourceConflictException:
            cloud.lambda_.update_function_configuration(**settings)
        wait_active(cloud.lambda_, name)
        if "queue" in function:
            self.mapping(function, name)
        if "schedule" in function and self.schedules:
            self.schedule(function, name)
        return function["name"], self.url(name) if function.get("url") else None

    def mapping(self, function: dict, name: str) -> None:
        ignore(
            "ResourceConflictException",
            self.cloud.lambda_.create_event_source_mapping,
            FunctionName=name,
            EventSourceArn=self.queue_arn(function["queue"]),
            BatchSize=function["batch"],
            MaximumBatchingWindowInSeconds=function.get("batch_window_seconds", 0),
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": function["concurrency_max"]},
        )

    def schedule(self, function: dict, name: str) -> None:
        rule = self.cloud.events.put_rule(Name=name, ScheduleExpression=function["schedule"])["RuleArn"]
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        ignore(
            "ResourceConflictException",
            self.cloud.lambda_.add_permission,
            FunctionName=name,
            StatementId="schedule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule,
        )
        self.cloud.events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": arn}])

    def url(self, name: str) -> str:
        try:
            made = self.cloud.lambda_.create_function_url_config(FunctionName=name, AuthType="NONE")
        except self.cloud.lambda_.exceptions.ResourceConflictException:
            made = self.cloud.lambda_.get_function_url_config(FunctionName=name)
        return made["FunctionUrl"]

    def delete(self) -> dict:
        # Mappings go before functions, so that nothing polls what is being taken away.
        with concurrent.futures.ThreadPoolExecutor(THREADS_MAX) as pool:
            list(pool.map(self.delete_function, self.functions))
            list(pool.map(self.delete_queue, self.description["queue"]))
            list(pool.map(self.delete_bucket, self.description["bucket"]))
            for role in self.description["role"]:
                ignore("NoSuchEntity", self.cloud.iam.delete_role, RoleName=self.name(role["name"]))
            for secret in self.description["secret"]:
                ignore(
                    "ResourceNotFoundException",
                    self.cloud.secretsmanager.delete_secret,
                    SecretId=self.name(secret["name"]),
                    ForceDeleteWithoutRecovery=True,
                )
        return {"prefix": self.prefix, "deleted": True}

    def delete_function(self, function: dict) -> None:
        lambda_, events, name = self.cloud.lambda_, self.cloud.events, self.name(function["name"])
        for mapping in lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
        if "schedule" in function:
            ignore("ResourceNotFoundException", events.remove_targets, Rule=name, Ids=["function"])
            ignore("ResourceNotFoundException", events.delete_rule, Name=name)
        ignore("ResourceNotFoundException", lambda_.delete_function, FunctionName=name)

    def delete_queue(self, queue: dict) -> None:
        sqs = self.cloud.sqs
        for name in (queue["name"], queue["name"] + "-dlq"):
            try:
                sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=self.name(name))["QueueUrl"])
            except sqs.exceptions.QueueDoesNotExist:
                pass

    def delete_bucket(self, bucket: dict) -> None:
        s3, name = self.cloud.s3, self.name(bucket["name"])
        try:
            if bucket.get("object_lock"):
                # Nobody deletes what is locked in it: it goes with the stack.
                ignore("BucketNotEmpty", s3.delete_bucket, Bucket=name)
                return
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
                if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
                    s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
            s3.delete_bucket(Bucket=name)
        except s3.exceptions.NoSuchBucket:
            pass


def put_queue(sqs, name: str, attributes: dict) -> str:
    attributes = {key: str(value) for key, value in attributes.items()}
    try:
        return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    except sqs.exceptions.QueueNameExists:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return url


def ignore(code: str, call, **arguments) -> None:
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def wait_active(lambda_, name: str) -> None:
    waiter = lambda_.get_waiter("function_active_v2")
    waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 600})


def stub() -> bytes:
    """Lambda wants a zip; the executor runs the binary that LOCAL_BOOTSTRAP names instead."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\nexit 1\n")
    return packed.getvalue()


def random_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def ssh_key() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gateway", "-f", path], check=True)
        with open(path, encoding="ascii") as key:
            return key.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--binaries", required=True)
    parser.add_argument("--stack", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "stack.toml"))
    parser.add_argument("--only", help="functions to deploy, with their triggers; queues and buckets come whole")
    parser.add_argument("--no-schedules", action="store_true")
    parser.add_argument("--delete", action="store_true")
    options = parser.parse_args()
    with open(options.stack, "rb") as file:
        description = tomllib.load(file)
    deployment = Deployment(Cloud(options.endpoint), description, options)
    json.dump(deployment.delete() if options.delete else deployment.create(), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
