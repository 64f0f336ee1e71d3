# The CLI runs this at the head of every command of its Bash tool (CLAUDE_ENV_FILE). To put something else in its place set
# Claude__Environment__CLAUDE_ENV_FILE.

# What the CLI needs to talk to the model; a tool does not.
unset ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_CUSTOM_HEADERS ANTHROPIC_FOUNDRY_API_KEY
unset AWS_BEARER_TOKEN_BEDROCK CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CODE_OAUTH_REFRESH_TOKEN

# With these a tool could speak into this session as if it were another one (since 2.1.329).
unset CLAUDE_CODE_MESSAGING_SOCKET CLAUDE_CODE_MESSAGING_TOKEN
