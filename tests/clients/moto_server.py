"""moto's server, which evaluates a role's policies on S3 calls, and the one condition that it leaves out: StringLike on s3:prefix.

Argument: the port. Until POST /moto-api/reset-auth with the body 0, everybody may do everything.
"""

import contextvars
import fnmatch
import sys
from urllib.parse import parse_qs, urlsplit

from moto.iam import access_control
from moto.server import main

asked = contextvars.ContextVar("the prefix of the listing that is asked for", default=None)
check_action = access_control.S3IAMRequest.check_action_permitted
is_permitted = access_control.IAMPolicyStatement.is_action_permitted


def check_action_permitted(self, resource):
    asked.set(parse_qs(urlsplit(self._path).query, keep_blank_values=True).get("prefix", [None])[0])
    return check_action(self, resource)


def is_action_permitted(self, *arguments, **named):
    condition = self._statement.get("Condition")
    if condition:
        (operator, keys), = condition.items()
        (key, pattern), = keys.items()
        if (operator, key) != ("StringLike", "s3:prefix"):
            raise NotImplementedError(f"{operator} of {key}")
        # A key that the request has not matches nothing; a statement whose condition does not hold says nothing.
        if asked.get() is None or not fnmatch.fnmatchcase(asked.get(), pattern):
            return access_control.PermissionResult.NEUTRAL
    return is_permitted(self, *arguments, **named)


access_control.S3IAMRequest.check_action_permitted = check_action_permitted
access_control.IAMPolicyStatement.is_action_permitted = is_action_permitted
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
