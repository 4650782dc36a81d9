"""What is masked in a text, and what is left alone."""

from __future__ import annotations

import pytest

from registry.pii.secret_shapes import SecretKind
from registry.pii.secrets import MASK, mask_text
from tests.pii.tokens import ALNUM, AWS_SECRET, PEM, PEM_BODY, TOKENS

URL = SecretKind.URL_PASSWORD
ASSIGNED = SecretKind.ASSIGNED_SECRET
AUTHORIZATION = SecretKind.AUTHORIZATION

# Sentence, text, secrets in it in the order of their places, their kinds.
MASKED: list[tuple[str, str, list[str], list[SecretKind]]] = [
    ("a URL's password", "postgres://ann:hunter2@db.example.org/x", ["hunter2"], [URL]),
    ("a URL's password without a user", "redis://:hunter2@cache/0", ["hunter2"], [URL]),
    ("a password with an at sign", "postgres://ann:p@ss@db/x", ["p@ss"], [URL]),
    ("a password with a slash", "postgres://ann:p/ss@db/x", ["p/ss"], [URL]),
    ("a password in the middle of a text", "to jdbc:mysql://a:pw1@h/d now", ["pw1"], [URL]),
    ("each host's password", "mongodb://a:pw1@h1:27017,b:pw2@h2/d", ["pw1", "pw2"], [URL, URL]),
    ("Oracle's password", "jdbc:oracle:thin:scott/tiger@//h:1521/x", ["tiger"], [URL]),
    ("a URL's parameter", "jdbc:postgresql://h/d?user=a&password=s3&ssl=true", ["s3"], [URL]),
    ("a connection string's", "jdbc:sqlserver://h;user=a;password=pw;x=y", ["pw"], [URL]),
    ("a quoted connection string's", 'Server=h;Uid=a;Pwd="a b;c";X=1', ["a b;c"], [URL]),
    ("a database host list", "jdbc:mysql://address=(host=h)(password=pw1)", ["pw1"], [ASSIGNED]),
    ("a signed URL", f"https://x/y?sig={ALNUM[:40]}&z=1", [ALNUM[:40]], [SecretKind.SIGNED_URL]),
    (
        "an S3 URL with both keys",
        f"s3a://ann:{AWS_SECRET}@bucket/path",
        [AWS_SECRET],
        [URL],
    ),
    ("an SQL literal", "SELECT 1 WHERE password = 'hunter2' AND x = 'y'", ["hunter2"], [ASSIGNED]),
    ("an SQL literal with a quote", "SET password='it''s' , x='y'", ["it''s"], [ASSIGNED]),
    ("an SQL literal of two levels", "EXECUTE 'SET password=''s3'' '", ["s3"], [ASSIGNED]),
    ("a PostgreSQL role", "ALTER ROLE a ENCRYPTED PASSWORD 'hunter2'", ["hunter2"], [ASSIGNED]),
    ("an Oracle user", "CREATE USER a IDENTIFIED BY 'tiger'", ["tiger"], [ASSIGNED]),
    ("a Snowflake stage", f"CREDENTIALS=(AWS_SECRET_KEY='{AWS_SECRET}')", [AWS_SECRET], [ASSIGNED]),
    ("a shell variable", "export DB_PASSWORD=hunter2; run", ["hunter2"], [ASSIGNED]),
    (
        "a weak shell variable",
        "POSTGRES_PASSWORD=mysecretpassword run",
        ["mysecretpassword"],
        [ASSIGNED],
    ),
    ("an option with a blank", "run --password hunter2 --max-tokens 12", ["hunter2"], [ASSIGNED]),
    ("an option with an equals sign", "run --api-key=abc123 -v", ["abc123"], [ASSIGNED]),
    ("a login to curl", "curl -u ann:pw1 https://example.org", ["pw1"], [ASSIGNED]),
    ("a login to MySQL", "mysql -h db -uroot -ppw1 shop", ["pw1"], [ASSIGNED]),
    ("a Spark setting", "--conf spark.hadoop.fs.s3a.secret.key=abc/d+e", ["abc/d+e"], [ASSIGNED]),
    (
        "a Spark plan's literal",
        "(isnotnull(password#12) AND (password#12 = pw1))",
        ["pw1"],
        [ASSIGNED],
    ),
    ("JSON in a text", '{"user": "a", "password": "a b"}', ["a b"], [ASSIGNED]),
    ("JSON in JSON in a text", r"{\"password\": \"a b\", \"x\": 1}", ["a b"], [ASSIGNED]),
    ("a setting in YAML", "user: ann\npassword: hunter\nport: 5432\n", ["hunter"], [ASSIGNED]),
    ("a setting in an INI file", "[db]\npassword = hunter\nport = 1\n", ["hunter"], [ASSIGNED]),
    ("an unclosed quote", "password='abc def\nnext line", ["abc def"], [ASSIGNED]),
    ("a bearer header", "Authorization: Bearer abc.def", ["abc.def"], [AUTHORIZATION]),
    ("a basic header", '-H "Authorization: Basic YTpi" -v', ["YTpi"], [AUTHORIZATION]),
    ("a header in JSON", '{"authorization": "Bearer abc.def"}', ["abc.def"], [AUTHORIZATION]),
    ("a bearer without its header", f"got Bearer {ALNUM[:32]}", [ALNUM[:32]], [AUTHORIZATION]),
    (
        "a cookie",
        "Cookie: session=abc; theme=dark\nHost: x",
        ["session=abc; theme=dark"],
        [AUTHORIZATION],
    ),
    ("a private key", f"key:\n{PEM}\n", [PEM_BODY], [SecretKind.PRIVATE_KEY]),
    ("a private key cut off", PEM[:90], [PEM[31:90]], [SecretKind.PRIVATE_KEY]),
    (
        "an Azure storage key",
        f"DefaultEndpointsProtocol=https;AccountKey={ALNUM[:40]}==;X=y",
        [ALNUM[:40] + "=="],
        [SecretKind.AZURE_KEY],
    ),
]

CLEAN: list[tuple[str, str]] = [
    ("a URL without user", "https://example.org:8443/a@b?x=1"),
    ("a URL with a user only", "ssh://git@example.org/x"),
    ("a list of brokers", "kafka://h1:9092,h2:9092/topic@x"),
    ("an image with its digest", "docker://image:1.2@sha256:0a1b"),
    ("a URL whose password is masked", "postgres://ann:***@db/x"),
    ("a URL whose password is a variable", "postgres://ann:${DB_PASSWORD}@db/x"),
    ("a service that is called secret", "http://secret-service:8080/health"),
    ("an ARN of a secret", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"),
    ("a join by token", "SELECT 1 FROM a JOIN b ON a.token = b.token AND a.secret=b.secret"),
    (
        "a parameter of a statement",
        "UPDATE users SET password = :password, token = ? WHERE id = $1",
    ),
    ("a Python parameter", "password = %(password)s AND token = %s"),
    ("a template", "password: {{ env_var('DB_PASSWORD') }}"),
    ("a function's signature", "def f(password: str, token: Optional[str] = None, secret=False):"),
    ("a call", "token = get_token(); password=os.environ['DB_PASSWORD']"),
    ("an attribute", "self.token = self.config.token"),
    ("an argument passed on", "create(client_token=client_token)"),
    ("a type in a schema", "struct<password:string,token:bigint,secret:array<string>>"),
    ("a column in a definition", "CREATE TABLE u (password VARCHAR(20), token TEXT NOT NULL)"),
    ("a description", "password: The hashed password of the user, never the password itself."),
    ("a parser's complaint", "Syntax error: unexpected token: SELECT, expected token ')'"),
    ("a dbt summary", "Done. PASS=12 WARN=0 ERROR=0 SKIP=0 TOTAL=12"),
    ("a count of tokens", "max_tokens=4096 token_count: 123456789 eos_token='</s>' tokens=12"),
    ("a secretary", "secretary=Smith; tokenizer=gpt2; passwordless=true"),
    ("a provider of credentials", "fs.s3a.aws.credentials.provider=com.amazonaws.auth.Chain"),
    ("a file with a password", "password_file=/run/secrets/db token_url=https://example.org/t"),
    ("a shell's working folder", "PWD=/home/ann OLDPWD=/tmp"),
    ("an English sentence", "The secret of the bearer is a token of trust; pass the cookie."),
    ("a kebab-case name", "task-sk-daily-2024-run mask-customer-emails-2024"),
    ("an empty password", "password='' AND secret=\"\""),
    ("a comparison in code", "if token == TOKEN_END or cookie != 0:"),
    ("a label in code", 'print("Token: " + repr(token))'),
    ("a dictionary in code", '{"token": token, "api_key": api_key}'),
    ("a nested object", '{"secrets": {"name": "x"}, "token": [1, 2]}'),
]


@pytest.mark.parametrize(
    ("text", "secrets", "kinds"), [case[1:] for case in MASKED], ids=[case[0] for case in MASKED]
)
def test_a_secret_is_masked_and_nothing_else(
    text: str, secrets: list[str], kinds: list[SecretKind]
) -> None:
    expected = text
    for secret in secrets:
        expected = expected.replace(secret, MASK, 1)
    assert mask_text(text) == (expected, kinds)


@pytest.mark.parametrize("text", [case[1] for case in CLEAN], ids=[case[0] for case in CLEAN])
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert mask_text(text) == (text, [])


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("around", ["{}", "see {}.", "x={} y", "({})", "\n{}\n", "é{}é"])
def test_a_token_is_known_by_its_shape(name: str, around: str) -> None:
    kind, token = TOKENS[name]
    assert mask_text(around.format(token)) == (around.format(MASK), [kind])


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_a_password_is_counts_as_the_token(name: str) -> None:
    kind, token = TOKENS[name]
    assert mask_text(f"password={token}") == (f"password={MASK}", [kind])


def test_only_urls_are_looked_into_where_only_they_are_asked_for() -> None:
    text = "postgres://a:pw1@h/d?password=pw2 password=pw3 " + TOKENS["a GitHub personal token"][1]
    masked, kinds = mask_text(text, urls_only=True)
    assert masked == text.replace("pw1", MASK).replace("pw2", MASK)
    assert kinds == [URL, URL]


def test_what_a_mask_brings_to_light_is_masked_too() -> None:
    text = '-----BEGIN PRIVATE KEY-----" + body + "\nprivate_key = "-----END PRIVATE KEY-----'
    masked, _ = mask_text(text)
    assert mask_text(masked) == (masked, [])


@pytest.mark.parametrize("unit", ["password={", "password='", "://a:", "token: "])
def test_a_long_text_costs_no_more_than_its_length(unit: str) -> None:
    """Had each name to look for its own end, this would take minutes."""
    masked, _ = mask_text(unit * 20_000)
    assert len(masked) <= 20_000 * len(unit) * 2
