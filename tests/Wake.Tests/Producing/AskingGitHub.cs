using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Octokit;
using Wake.Producers.GitHub;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;
using GitHubClient = Wake.Producers.GitHub.GitHubClient;

namespace Wake.Tests.Producing;

/// <summary>What goes over the wire to GitHub, and what its answers are taken for.</summary>
public sealed class AskingGitHub(TestStore store) : IClassFixture<TestStore>, IAsyncLifetime
{
    const string Repository = "octo-org/hello";

    LoopbackGitHub github = null!;

    public async Task InitializeAsync()
    {
        await SqlMigrations.Apply(store.Database, typeof(GitHubServices).Assembly, CancellationToken.None);
        github = await LoopbackGitHub.Start();
        github.Token = "ghp_secret";
        github.Open(1);
    }

    public async Task DisposeAsync() => await github.DisposeAsync();

    GitHubClient Account(TimeSpan? timeout = null, Uri? api = null) =>
        Client(new() { Api = api ?? github.Url, Token = "ghp_secret" }, timeout);

    GitHubClient App(RSA key, TimeProvider? time = null)
    {
        github.Token = "ghs_secret";
        return Client(
            new()
            {
                Api = github.Url,
                AppId = "12345",
                PrivateKey = key.ExportRSAPrivateKeyPem(),
            },
            time: time
        );
    }

    // A host of its own: what one test makes it say of limits is known to all who ask that host.
    GitHubClient Client(GitHubAccount account, TimeSpan? timeout = null, TimeProvider? time = null) =>
        new(
            new()
            {
                Host = $"{Guid.NewGuid():n}.example.com",
                Api = account.Api,
                Token = account.Token,
                AppId = account.AppId,
                PrivateKey = account.PrivateKey,
            },
            new() { RetryAfter = TimeSpan.FromMilliseconds(1), RequestTimeout = timeout ?? TimeSpan.FromSeconds(15) },
            new(store.Database),
            time ?? TimeProvider.System,
            NullLogger.Instance
        );

    static Task<GitHubResponse> Get(
        GitHubClient client,
        string path,
        string? etag = null,
        JsonValueKind kind = JsonValueKind.Object
    ) =>
        client
            .Get($"repos/{Repository}/{path}", Repository, etag, kind, CancellationToken.None)
            .WaitAsync(TimeSpan.FromMinutes(1));

    static Task<WorkflowJobsResponse?> Jobs(GitHubClient client, CancellationToken cancel = default) =>
        client.Get<WorkflowJobsResponse>($"repos/{Repository}/actions/runs/3/attempts/1/jobs", Repository, cancel);

    [Fact]
    public async Task An_account_knows_its_login()
    {
        using var person = Client(new() { Api = github.Url, Token = "ghp_secret" });
        Assert.Equal("wake-account", await person.GetLogin(CancellationToken.None));

        using var key = RSA.Create(2048);
        using var app = App(key);
        Assert.Equal("wake-account[bot]", await app.GetLogin(CancellationToken.None));
    }

    [Theory]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(410)]
    [InlineData(422)]
    public async Task What_may_not_be_written_is_an_answer(int status)
    {
        using var client = Client(new() { Api = github.Url, Token = "ghp_secret" });
        github.Fail("/issues/1/comments", status, """{"message":"It is locked."}""");

        var refused = Assert.IsType<GitHubWritten.Refused>(await Write(client));

        Assert.Equal((status, $"status {status}, It is locked."), (refused.Status, refused.Why));
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(429)]
    public async Task Of_what_may_have_been_written_nobody_knows_and_it_is_not_sent_again(int status)
    {
        using var client = Client(new() { Api = github.Url, Token = "ghp_secret" });
        github.Fail("/issues/1/comments", status);
        var before = Writes();

        await Assert.ThrowsAsync<GitHubUnavailableException>(() => Write(client));

        Assert.Equal(before + 1, Writes());

        int Writes() => github.Requests.Count(x => x.Method == "POST" && x.Path.EndsWith("/issues/1/comments"));
    }

    static Task<GitHubWritten> Write(GitHubClient client) =>
        client.Write(
            $"repos/{Repository}/issues/1/comments",
            new() { ["body"] = "x" },
            Repository,
            change: false,
            CancellationToken.None
        );

    public static TheoryData<int, string> Elsewhere()
    {
        var all = new TheoryData<int, string>();
        foreach (var status in (int[])[301, 302, 303, 307, 308])
        {
            foreach (var differs in (string[])["port", "host", "scheme"])
                all.Add(status, differs);
        }

        return all;
    }

    [Theory]
    [MemberData(nameof(Elsewhere))]
    public async Task A_redirect_to_another_port_host_or_scheme_is_not_followed(int status, string differs)
    {
        using var stranger = new TcpListener(IPAddress.Loopback, 0);
        stranger.Start();
        var to = differs switch
        {
            "port" => new Uri(github.Storage, "/stolen"),
            "host" => new UriBuilder(github.Url) { Host = "localhost", Path = "/stolen" }.Uri,
            _ => new Uri($"https://{stranger.LocalEndpoint}/stolen"),
        };
        github.Fail("/pulls/1", status, "{\"number\":1}", headers: ("Location", to.ToString()));
        using var client = Account();

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        Assert.Equal("/repos/octo-org/hello/pulls/1", Assert.Single(github.Requests).Path);
        Assert.False(stranger.Pending(), "somebody came");
    }

    [Fact]
    public async Task A_redirect_out_of_encryption_is_not_followed_on_the_same_host()
    {
        var network = new Redirecting(new("http://ghe.example.com/api/v3/repositories/1"));
        using var handler = new SameOriginHandler(new() { Host = "ghe.example.com" }) { InnerHandler = network };
        using var sender = new HttpMessageInvoker(handler);

        await Assert.ThrowsAsync<RedirectedElsewhereException>(() =>
            sender.SendAsync(
                new(HttpMethod.Get, "https://ghe.example.com/api/v3/repos/octo-org/hello"),
                CancellationToken.None
            )
        );

        Assert.Equal("https", Assert.Single(network.Asked).Scheme);
    }

    [Fact]
    public async Task A_next_page_on_another_host_is_not_read()
    {
        using var client = Account();
        var next = new Uri(github.Storage, "/stolen");

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() =>
            client.Get(next, Repository, JsonValueKind.Array, CancellationToken.None)
        );

        Assert.Empty(github.Requests);
    }

    [Fact]
    public async Task A_redirect_to_the_same_place_is_followed_with_the_token_and_tells_where_it_led()
    {
        github.Renamed = true;
        using var client = Account();

        var found = Assert.IsType<GitHubResponse.Success>(await Get(client, "pulls/1"));

        Assert.Equal("repositories/1/pulls/1", found.Path);
        Assert.All(github.Requests, x => Assert.Equal("Bearer ghp_secret", x.Authorization));
    }

    [Theory]
    [InlineData(300)]
    [InlineData(303)]
    [InlineData(301)]
    public async Task A_redirect_to_nowhere_is_no_answer(int status)
    {
        github.Fail("/pulls/1", status, "{\"number\":1,\"state\":\"closed\"}");
        using var client = Account();

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));
    }

    [Fact]
    public async Task A_circle_of_redirects_is_left()
    {
        for (var i = 0; i < 10; i++)
            github.Fail("/pulls/1", 302, "{\"number\":1}", headers: ("Location", "/repos/octo-org/hello/pulls/1"));
        using var client = Account();

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        Assert.Equal(4, github.Requests.Count);
    }

    [Fact]
    public async Task What_has_not_changed_is_told_apart_from_what_is_there_and_from_what_is_not()
    {
        using var client = Account();

        var first = Assert.IsType<GitHubResponse.Success>(await Get(client, "pulls/1"));
        var second = await Get(client, "pulls/1", first.ETag);
        github.Merge(1);
        var third = await Get(client, "pulls/1", first.ETag);
        var other = await Get(client, "pulls/2", first.ETag);

        Assert.IsType<GitHubResponse.NotModified>(second);
        Assert.IsType<GitHubResponse.Success>(third);
        Assert.IsType<GitHubResponse.NotFound>(other);
        Assert.Equal([200, 304, 200, 404], github.Requests.Select(x => x.Status));
        Assert.Equal([null, first.ETag, first.ETag, first.ETag], github.Requests.Select(x => x.IfNoneMatch));
    }

    [Theory]
    [InlineData("<https://docs.github.com/>; rel=\"deprecation\", <NEXT>; rel=\"next\"")]
    [InlineData("<nowhere>; rel=\"first\", <NEXT>; rel=\"next\"")]
    [InlineData("<NEXT>; rel=\"next\", <NEXT>; rel=\"next\"")]
    public async Task The_next_page_is_found_among_other_relations(string links)
    {
        var next = new Uri(github.Url, "/repositories/1/pulls?page=2");
        github.Fail("/pulls", 200, "[]", headers: ("Link", links.Replace("NEXT", $"{next}", StringComparison.Ordinal)));
        using var client = Account();

        var page = await Get(client, "pulls", kind: JsonValueKind.Array);

        Assert.Equal(next, Assert.IsType<GitHubResponse.Success>(page).Next);
    }

    [Theory]
    [InlineData(502, "{}", "application/json", 4)]
    [InlineData(200, "<html>Unicorn!</html>", "text/html", 4)]
    [InlineData(200, "[]", "application/json", 1)]
    [InlineData(200, "{\"number\":", "application/json", 1)]
    [InlineData(400, "{}", "application/json", 1)]
    public async Task What_is_no_answer_is_asked_again_where_that_may_help_and_no_more_often(
        int status,
        string body,
        string type,
        int times
    )
    {
        for (var i = 0; i < 10; i++)
            github.Fail("/pulls/1", status, body, type);
        using var client = Account();

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        Assert.Equal(times, github.Requests.Count);
    }

    [Fact]
    public async Task What_is_to_be_done_is_asked_for_once()
    {
        github.Fail("/attempts", 502);
        using var client = Account();
        Task<bool> Redeliver(long id) =>
            client.Post($"repos/{Repository}/hooks/5/deliveries/{id}/attempts", Repository, CancellationToken.None);

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Redeliver(7));
        github.Fail("/attempts", 404);

        Assert.False(await Redeliver(8));
        Assert.Equal(2, github.Requests.Count);
    }

    [Fact]
    public async Task An_answer_that_never_ends_is_given_up()
    {
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        using var client = Account(TimeSpan.FromSeconds(0.2), new Uri($"http://{server.LocalEndpoint}/"));
        using var done = new CancellationTokenSource();
        var stalling = Stall(server, done.Token);

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        await done.CancelAsync();
        Assert.Equal(4, await stalling);
    }

    [Fact]
    public async Task Whoever_waits_for_an_answer_can_end_that_and_the_request()
    {
        github.Hang("/jobs");
        using var client = Account(TimeSpan.FromHours(1));
        using var ends = new CancellationTokenSource();

        var asked = Jobs(client, ends.Token);
        await Eventually.Holds(() => Task.FromResult(github.AllFaultsMet));
        await ends.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await Eventually.Holds(() => Task.FromResult(github.Requests.Count == 1), "the request has ended as well");
    }

    [Fact]
    public async Task Octokits_own_types_are_read_and_odd_ones_are_no_answer()
    {
        github.Run(3, LoopbackGitHub.Sha(1), 77, "failure");
        using var client = Account();

        var job = Assert.Single((await Jobs(client))!.Jobs);
        Assert.Equal((77L, "failure"), (job.Id, job.Conclusion?.StringValue));
        Assert.Single(github.Requests);

        github.Fail("/jobs", 200, "{\"total_count\":{}}");
        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Jobs(client));
        github.Fail("/jobs", 200, "{\"total_count\":");
        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Jobs(client));
        github.Fail("/jobs", 404);
        Assert.Null(await Jobs(client));
    }

    [Theory]
    [InlineData("/installation", "{}")]
    [InlineData("/installation", "[]")]
    [InlineData("/access_tokens", "{}")]
    [InlineData("/access_tokens", "{\"token\":null}")]
    public async Task An_app_that_is_given_nothing_says_so_and_asks_again(string path, string body)
    {
        using var rsa = RSA.Create(2048);
        using var client = App(rsa);
        github.Fail(path, 200, body);

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        Assert.IsType<GitHubResponse.Success>(await Get(client, "pulls/1"));
    }

    [Fact]
    public async Task All_who_ask_as_an_app_at_once_share_one_token()
    {
        using var rsa = RSA.Create(2048);
        using var client = App(rsa);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Get(client, "pulls/1")));

        Assert.Single(github.Requests, x => x.Path.EndsWith("/installation", StringComparison.Ordinal));
        Assert.Single(github.Requests, x => x.Path.EndsWith("/access_tokens", StringComparison.Ordinal));
        Assert.Equal(10, github.Requests.Count);
    }

    [Fact]
    public async Task An_app_that_was_installed_anew_is_found()
    {
        using var rsa = RSA.Create(2048);
        using var client = App(rsa);

        // The installation that was known is gone.
        github.Fail("/access_tokens", 404);
        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        Assert.IsType<GitHubResponse.Success>(await Get(client, "pulls/1"));
        Assert.Equal(2, github.Requests.Count(x => x.Path.EndsWith("/installation", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task An_app_signs_by_the_clock_of_GitHub()
    {
        using var rsa = RSA.Create(2048);
        using var client = App(rsa, new Ahead(TimeSpan.FromHours(1)));
        github.Fail("/installation", 401);

        Assert.IsType<GitHubResponse.Success>(await Get(client, "pulls/1"));

        var signed = github
            .Requests.Where(x => x.Path.EndsWith("/installation", StringComparison.Ordinal))
            .Select(x => IssuedAt(x.Authorization!) - DateTimeOffset.UtcNow)
            .ToList();
        Assert.Collection(
            signed,
            x => Assert.InRange(x, TimeSpan.FromMinutes(58), TimeSpan.FromMinutes(60)),
            x => Assert.InRange(x, TimeSpan.FromMinutes(-2), TimeSpan.Zero)
        );
    }

    [Fact]
    public async Task A_token_that_is_refused_is_not_tried_again_soon()
    {
        github.Token = "ghp_another";
        using var client = Account();

        await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));
        var second = await Assert.ThrowsAnyAsync<GitHubUnavailableException>(() => Get(client, "pulls/1"));

        Assert.Single(github.Requests);
        Assert.InRange(
            second.RetryAt!.Value - DateTimeOffset.UtcNow,
            TimeSpan.FromMinutes(9),
            TimeSpan.FromMinutes(10)
        );
    }

    static DateTimeOffset IssuedAt(string authorization) =>
        DateTimeOffset.FromUnixTimeSeconds(
            JsonElement
                .Parse(Base64Url.DecodeFromChars(authorization["Bearer ".Length..].Split('.')[1]))
                .GetProperty("iat")
                .GetInt64()
        );

    // Begins every answer and ends none. Gives how many it began.
    static async Task<int> Stall(TcpListener server, CancellationToken cancel)
    {
        List<TcpClient> open = [];
        try
        {
            while (true)
            {
                open.Add(await server.AcceptTcpClientAsync(cancel));
                await open[^1]
                    .GetStream()
                    .WriteAsync(
                        Encoding.ASCII.GetBytes(
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
                        ),
                        cancel
                    );
            }
        }
        catch (OperationCanceledException)
        {
            open.ForEach(x => x.Dispose());
            return open.Count;
        }
    }

    sealed class Redirecting(Uri to) : HttpMessageHandler
    {
        public List<Uri> Asked { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
        {
            Asked.Add(request.RequestUri!);
            return Task.FromResult(
                new HttpResponseMessage(HttpStatusCode.MovedPermanently) { Headers = { Location = to } }
            );
        }
    }

    sealed class Ahead(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}
