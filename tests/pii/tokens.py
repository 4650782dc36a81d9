"""Secrets of every shape, put together here so that no file holds one that a scanner finds."""

from __future__ import annotations

from registry.pii.secret_shapes import SecretKind

ALNUM = "aB3dE5gH7jK9mN2pQ4sT6vW8yZ1bC0fG5hJ3kL7nP9rS2tV4xY6"
HEX = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TOKENS: dict[str, tuple[SecretKind, str]] = {
    "an AWS access key id": (SecretKind.AWS_KEY, "AKIA" + "IOSFODNN7EXAMPLE"),
    "a temporary AWS access key id": (SecretKind.AWS_KEY, "ASIA" + "IOSFODNN7EXAMPLE"),
    "a GitHub personal token": (SecretKind.GITHUB_TOKEN, "ghp_" + ALNUM[:36]),
    "a GitHub server token": (SecretKind.GITHUB_TOKEN, "ghs_" + ALNUM[:36]),
    "a fine-grained GitHub token": (SecretKind.GITHUB_TOKEN, "github_pat_" + ALNUM[:40]),
    "a GitLab personal token": (SecretKind.GITLAB_TOKEN, "glpat-" + ALNUM[:20]),
    "a Slack bot token": (SecretKind.SLACK_TOKEN, "xoxb-" + "123456789012-" + ALNUM[:24]),
    "a Stripe secret key": (SecretKind.STRIPE_KEY, "sk_live_" + ALNUM[:24]),
    "a Stripe restricted key": (SecretKind.STRIPE_KEY, "rk_test_" + ALNUM[:24]),
    "an OpenAI key": (SecretKind.OPENAI_KEY, "sk-" + ALNUM[:48]),
    "an OpenAI project key": (SecretKind.OPENAI_KEY, "sk-proj-" + ALNUM[:48]),
    "an Anthropic key": (SecretKind.OPENAI_KEY, "sk-ant-api03-" + ALNUM[:48]),
    "a Hugging Face token": (SecretKind.HUGGINGFACE_TOKEN, "hf_" + ALNUM[:34]),
    "a Google API key": (SecretKind.GOOGLE_KEY, "AIza" + ALNUM[:35]),
    "a Google OAuth token": (SecretKind.GOOGLE_KEY, "ya29." + ALNUM[:40]),
    "a Databricks token": (SecretKind.VENDOR_TOKEN, "dapi" + HEX[:32]),
    "a Vault token": (SecretKind.VENDOR_TOKEN, "hvs." + ALNUM[:24]),
    "an npm token": (SecretKind.VENDOR_TOKEN, "npm_" + ALNUM[:36]),
    "a SendGrid key": (SecretKind.VENDOR_TOKEN, "SG." + ALNUM[:22] + "." + ALNUM[:43]),
    "a token of this registry": (SecretKind.VENDOR_TOKEN, "reg_" + ALNUM[:43]),
    "a JSON web token": (
        SecretKind.JSON_WEB_TOKEN,
        "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiJub2JvZHkifQ." + ALNUM[:43],
    ),
}
PEM_BODY = "\nMIIEpAIBAAKCAQEA" + ALNUM + "\n" + ALNUM + "\n"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----" + PEM_BODY + "-----END RSA " + "PRIVATE KEY-----"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
