using System.CommandLine;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake keys</c>: lists the keys of the API; makes, rotates and revokes one.</summary>
sealed class KeysCommand : ClientCommand
{
    public KeysCommand()
        : base(
            "keys",
            "Lists the keys of the API: what each may do, and when it was used last.",
            """
            This needs a key of the scope admin, or the token of your own Wake, which is found by itself. Keys of the configuration
            (Gateway__ApiKeys__0) are not listed.

            Examples:
              wake keys
              wake keys create "build server" --scope events:write
              wake keys rotate 01234567-89ab-cdef-0123-456789abcdef --overlap 7d
              wake keys revoke 01234567-89ab-cdef-0123-456789abcdef
            """
        )
    {
        Accepts();
        Add(new CreateKeyCommand());
        Add(new RotateKeyCommand());
        Add(new RevokeKeyCommand());
    }

    /// <summary>The address of a key, which is named by a UUID.</summary>
    public static string ApiPath(string id) =>
        Guid.TryParse(id, out var key)
            ? $"/v1/keys/{key}"
            : throw new CommandException(
                $"There is no key {Output.Visible(id)}: the id of a key is a UUID. wake keys lists them."
            );

    /// <summary>Tells a key that was just made: alone on standard output, so that a script can take it.</summary>
    public static void ShowNew(ApiResponse answer, Output output, string note)
    {
        if (output.Json)
        {
            output.Raw(answer.Body);
            return;
        }

        var key = answer.ReadAs(CliJson.Default.NewApiKey);
        Output.Note(
            $"{note} Its id is {key.Id}, its scopes are {string.Join(", ", key.Scopes)}. It is shown this once:"
        );
        output.Line($"{key.Key}");
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var answer = (await wake.Get("/v1/keys", cancel)).EnsureSuccess();
        output.List(
            answer,
            CliJson.Default.ApiKeyArray,
            ["ID", "NAME", "SCOPES", "LIMITS", "CREATED", "LAST USED", "EXPIRES"],
            x =>
                [
                    $"{x.Id}",
                    x.Name,
                    string.Join(' ', x.Scopes),
                    DescribeLimits(x),
                    TimeFormat.Format(x.Created),
                    x.LastUsedAt is { } used ? TimeFormat.Format(used) : "never",
                    x.ExpiresAt is { } expiry ? TimeFormat.Format(expiry) : "",
                ],
            "There are no keys."
        );
        return 0;
    }

    static string DescribeLimits(ApiKey key) =>
        string.Join(
            ' ',
            (key.Sources ?? [])
                .Select(x => $"source:{x}")
                .Concat((key.Types ?? []).Select(x => $"type:{x}"))
                .Concat((key.Subjects ?? []).Select(x => $"subject:{x}"))
                .Concat(
                    key.Namespace is null || Guid.TryParse(key.Namespace, out _) ? [] : [$"namespace:{key.Namespace}"]
                )
        );
}
