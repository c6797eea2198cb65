"""A real object store, moto's server, that checks signatures like its model."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

REGION, NAME = "eu-north-1", "records"

ALLOWED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


class ObjectStore(NamedTuple):
    """Where it is, with a key that may do everything with buckets, and a client that is not ours."""

    url: str
    key: str
    secret: str
    client: Any

    def read(self, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=NAME, Key=name)["Body"].read()
        return content

    def names(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=NAME).get("Contents", [])]


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """With one empty bucket. From then on every request must be signed by who is known and allowed."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        reset(url, 1_000)
        first = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        iam = boto3.client("iam", endpoint_url=url, region_name="us-east-1", **first)
        iam.create_user(UserName="callgate")
        iam.put_user_policy(UserName="callgate", PolicyName="all", PolicyDocument=json.dumps(ALLOWED))
        given = iam.create_access_key(UserName="callgate")["AccessKey"]
        own = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
        client = boto3.client("s3", endpoint_url=url, region_name=REGION, **own)
        client.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": REGION})
        reset(url, 0)
        yield ObjectStore(url, given["AccessKeyId"], given["SecretAccessKey"], client)
    finally:
        server.stop()


def reset(url: str, unchecked: int) -> None:
    """After so many more requests signatures are checked."""
    plain = {"content-type": "text/plain"}
    asked = Request(f"{url}/moto-api/reset-auth", data=str(unchecked).encode(), headers=plain, method="POST")  # noqa: S310 - ours
    with urlopen(asked, timeout=10) as reply:  # noqa: S310
        assert reply.status == 200
