namespace Wake.Offline;

/// <summary>How to start the stand-in, and the language that scripts its replies.</summary>
static class Help
{
    public const string Text = """
        A loopback stand-in for the Anthropic Messages API, on which the real `claude` runs offline.

          dotnet run --project tests/Wake.MessagesApi -- [--port N] [--address A] [--log FILE]

          --port N     serve on this port; without it, or with 0, on a free one
          --address A  serve on this address instead of loopback: in a container, where only its neighbours see it
          --log FILE   append a line of JSON for every request

        Prints `ready http://127.0.0.1:N` once it serves. Then, in another shell:

          ANTHROPIC_BASE_URL=http://127.0.0.1:N ANTHROPIC_API_KEY=sk-test-x CLAUDE_CONFIG_DIR=$(mktemp -d) \
          DISABLE_AUTOUPDATER=1 DISABLE_TELEMETRY=1 DISABLE_ERROR_REPORTING=1 claude -p '[[say:hello]]'

        MARKERS in the prompt say what the model replies. One action is one reply: the first answers the prompt, the next
        one the result of the tool called by the first, and so on. Modifiers stand before the action they change. When the
        actions are used up the reply is `I have seen N user messages.`, which tells whether a resume kept its history.

        Actions
          [[say:TEXT]]             text
          [[bash:COMMAND]]         a call of the Bash tool
          [[tool:NAME {json}]]     a call of any tool with that input
          [[ask]]  [[askmulti]]    a call of AskUserQuestion: one question, or a second one with several choices
          [[big:N]]                N characters of text
          [[and]]                  between two actions: both in one message, as in [[bash:a]][[and]][[bash:b]]

        Modifiers that wait
          [[delay:S]]              S seconds before anything is sent
          [[hold]]  [[hold:NAME]]  until the test releases that name, before anything is sent
          [[ttfb:S]]               S seconds of silence after the stream has begun
          [[ping:S]]               S seconds of pings after the stream has begun

        Modifiers that fail: always, or for the first N attempts at the same point of a session
          [[http:CODE]]  [[http:CODE:N]]   an HTTP error, and about it:
            [[retryafter:S]]  [[shouldretry:false]]  [[etype:TYPE]]  [[msg:TEXT]]
          [[drop]]  [[drop:N]]             the connection closes without a response
          [[truncate]]  [[truncate:N]]     the stream ends in the middle of a block
          [[sseerror:TYPE]]                an error event in the middle of the stream, always

        Modifiers that report
          [[usage:IN:OUT]]         tokens used, which the CLI turns into cost
          [[stop:REASON]]          the stop reason: end_turn, max_tokens, refusal, ...

        The markers of the newest user message that has any count; a later message without markers uses none. System
        reminders and what tools print never count. When the CLI merges several texts into one message, all of theirs do.
        So it may do with a prompt whose turn failed and the next one: a failure that lasts is better queued than put into
        a prompt. A request for a session title, which quotes the prompt, gets a title and uses up nothing.

        ADMIN, all JSON
          POST /_admin/queue    {"replies": ["[[http:529]]", "[[say:x]]"]}   one per request, before any prompt's markers
          POST /_admin/mode     {"all": "[[http:529]]"}  or {"all": null}    for every request that finds the queue empty
          POST /_admin/release  {"name": "NAME"}                             lets held replies go; no name for [[hold]]
          POST /_admin/reset    {}                                           forgets everything
          GET  /_admin/log      the requests seen, of very many the newest
          GET  /_admin/last     the body of the newest that asked for a reply
          GET  /_admin/stats    {"messages": how many of those kept, "inflight": how many still wait}
        """;
}
