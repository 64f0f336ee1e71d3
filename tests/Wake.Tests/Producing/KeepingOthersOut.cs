using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.Gateway;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>A Wake on a machine that others use too: its own user comes in without doing anything for it, and nobody
/// else.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
[Trait("Starts", "processes")]
public sealed class KeepingOthersOut(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    const UnixFileMode Everybody =
        UnixFileMode.UserRead
        | UnixFileMode.UserWrite
        | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead
        | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead
        | UnixFileMode.OtherExecute;

    readonly WakeSystem wake = shared.System;

    string Token => Path.Combine(wake.Data, "token");

    HttpClient Stranger => WakeSystem.HttpClientFor(wake.Processes[^1], key: null);

    [Fact]
    public async Task Without_the_token_nobody_comes_in_and_is_told_how_to()
    {
        foreach (
            var (method, path) in ((string, string)[])
                [("GET", "/v1/sessions"), ("POST", "/v1/keys"), ("GET", "/openapi/v1.json"), ("POST", "/v1/browser")]
        )
        {
            var refused = await Stranger.SendAsync(new(new(method), path));
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            var why = await refused.Content.ReadAsStringAsync();
            Assert.Contains(Token, why);
            Assert.Contains("wake open", why);
        }

        Assert.Equal(HttpStatusCode.OK, (await Stranger.GetAsync("/health/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await wake.Http.GetAsync("/v1/sessions")).StatusCode);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Token));
        Assert.All(wake.Processes, x => Assert.DoesNotContain(File.ReadAllText(Token), x.Log));
    }

    // Whoever came by a token, by listening on the port of a Wake that was killed for instance, has nothing after its
    // next start.
    [Fact]
    public async Task Every_start_has_another_token_and_follows_no_link_to_write_it()
    {
        using var folder = new TemporaryFolder();
        await using var system = await WakeSystem.Create(Transport.InMemory);
        var (prepared, file) = ($"{OwnerToken.Prefix}{new string('x', 43)}", Path.Combine(system.Data, "token"));
        Directory.CreateDirectory(system.Data, PrivateDirectory.Mode);
        File.WriteAllText(file, prepared);
        await system.StartProcess("Wake.Standalone");
        var first = File.ReadAllText(file);
        Assert.Equal(HttpStatusCode.OK, (await system.Http.GetAsync("/v1/sessions")).StatusCode);
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await WakeSystem.HttpClientFor(system.Processes[0], prepared).GetAsync("/v1/sessions")).StatusCode
        );
        await system.Processes[0].Kill();
        File.WriteAllText(folder.File("victim"), "mine");
        File.Delete(file);
        File.CreateSymbolicLink(file, folder.File("victim"));

        var next = await system.StartProcess("Wake.Standalone");

        Assert.Equal("mine", File.ReadAllText(folder.File("victim")));
        Assert.Equal(HttpStatusCode.OK, (await system.Http.GetAsync("/v1/sessions")).StatusCode);
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await WakeSystem.HttpClientFor(next, first).GetAsync("/v1/sessions")).StatusCode
        );
        await next.Stop();
        Assert.False(Path.Exists(file));

        File.SetUnixFileMode(system.Data, Everybody | UnixFileMode.OtherWrite);
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => system.StartProcess("Wake.Standalone"));
        Assert.Contains("Others may write into", refused.Message);
    }

    [Fact]
    public async Task The_command_finds_the_token_by_the_data_folder_also_beside_WAKE_URL()
    {
        var url = $"{wake.Http.BaseAddress}".TrimEnd('/');
        Assert.Equal(0, (await Said(("WAKE_DATA", wake.Data))).ExitCode);
        Assert.Equal(
            0,
            (await Said(("WAKE_DATA", wake.Data), ("WAKE_URL", url.Replace("127.0.0.1", "localhost")))).ExitCode
        );

        using var folder = new TemporaryFolder();
        var lost = await Said(("WAKE_DATA", folder.Path), ("WAKE_URL", url));
        Assert.Equal(1, lost.ExitCode);
        Assert.Contains("--data or WAKE_DATA", lost.Errors);

        // Another program's address is told nothing.
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var heard = Heard(listener);
        await Said(("WAKE_DATA", wake.Data), ("WAKE_URL", $"http://{listener.LocalEndpoint}"));
        Assert.DoesNotContain("Bearer", await heard);

        static async Task<string> Heard(TcpListener listener)
        {
            using var client = await listener.AcceptTcpClientAsync();
            var buffer = new byte[4096];
            var said = Encoding.ASCII.GetString(buffer, 0, await client.GetStream().ReadAsync(buffer));
            await client.GetStream().WriteAsync("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
            return said;
        }
    }

    [Fact]
    public async Task A_browser_comes_in_by_a_link_of_the_owners_that_is_good_once()
    {
        var link = await Link();
        var opened = await Stranger.GetAsync(link);
        Assert.Equal(HttpStatusCode.OK, opened.StatusCode);
        var cookie = Assert.Single(opened.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie);
        Assert.Contains("samesite=strict", cookie);

        var mine = cookie.Split(';')[0];
        Assert.Equal(HttpStatusCode.OK, (await Browser("GET", mine)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Browser("GET", mine, ("Sec-Fetch-Site", "same-origin"))).StatusCode);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await Browser("DELETE", mine, ("Sec-Fetch-Site", "same-origin"))).StatusCode
        );

        // Pages of other servers of this machine, for whom the cookie is the same site's; other host names; what is no
        // browser's.
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await Browser("GET", mine, ("Sec-Fetch-Site", "same-site"))).StatusCode
        );
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await Browser("DELETE", mine, ("Origin", "http://127.0.0.1:1"))).StatusCode
        );
        Assert.Equal(HttpStatusCode.Forbidden, (await Browser("DELETE", mine)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Browser("GET", mine, ("Host", "evil.example"))).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Browser("GET", "wake=guessed")).StatusCode);

        Assert.Equal(HttpStatusCode.Unauthorized, (await Stranger.GetAsync(link)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Stranger.GetAsync("/open?code=guessed")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Stranger.GetAsync("/open")).StatusCode);
        using var foreign = new HttpRequestMessage(HttpMethod.Get, await Link())
        {
            Headers = { Host = "evil.example" },
        };
        Assert.Equal(HttpStatusCode.Forbidden, (await Stranger.SendAsync(foreign)).StatusCode);

        Task<HttpResponseMessage> Browser(string method, string cookie, params (string Name, string Value)[] headers)
        {
            var request = new HttpRequestMessage(new(method), method == "GET" ? "/v1/sessions" : "/v1/sessions/nobody")
            {
                Headers = { { "Cookie", cookie } },
            };
            foreach (var (name, value) in headers)
                request.Headers.Add(name, value);
            return Stranger.SendAsync(request);
        }
    }

    [Theory]
    [InlineData("/events/a%22b?source=c", "0;url=/events/a%22b?source=c\"")]
    [InlineData("/\"><script>", "0;url=/&quot;&gt;&lt;script&gt;\"")]
    [InlineData("//evil.example", "0;url=/\"")]
    [InlineData("/\\evil.example", "0;url=/\"")]
    [InlineData("https://evil.example", "0;url=/\"")]
    [InlineData("javascript:alert(1)", "0;url=/\"")]
    public async Task A_link_leads_to_a_page_of_this_wake_and_nowhere_else(string to, string onward)
    {
        var opened = await Stranger.GetAsync($"{await Link()}&to={Uri.EscapeDataString(to)}");

        Assert.Equal(HttpStatusCode.OK, opened.StatusCode);
        Assert.Contains(onward, await opened.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_browser_that_signs_out_is_let_in_no_more()
    {
        var mine = (await Stranger.GetAsync(await Link())).Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        using var end = new HttpRequestMessage(HttpMethod.Delete, "/v1/browser")
        {
            Headers = { { "Cookie", mine }, { "Sec-Fetch-Site", "same-origin" } },
        };
        Assert.Equal(HttpStatusCode.NoContent, (await Stranger.SendAsync(end)).StatusCode);

        using var again = new HttpRequestMessage(HttpMethod.Get, "/v1/sessions") { Headers = { { "Cookie", mine } } };
        Assert.Equal(HttpStatusCode.Unauthorized, (await Stranger.SendAsync(again)).StatusCode);
    }

    [Fact]
    public async Task A_cookie_counts_under_its_own_name_alone()
    {
        var mine = (await Stranger.GetAsync(await Link())).Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        Assert.DoesNotContain("/login", await Lands(mine));

        // What the gateway judges is not let in by another way, on which nobody asks whose browser it is.
        Assert.Contains("/login", await Lands($"wake-console={mine[(mine.IndexOf('=') + 1)..]}"));

        async Task<string> Lands(string cookie)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { "Cookie", cookie } } };
            using var answer = await Stranger.SendAsync(request);
            return answer.Headers.Location?.OriginalString ?? answer.RequestMessage!.RequestUri!.AbsolutePath;
        }
    }

    [Fact]
    public void A_link_lasts_a_minute_and_what_it_becomes_twelve_hours()
    {
        var clock = new Clock();
        var browsers = new BrowserSessions(clock);
        var (late, code) = (browsers.CreateCode().Code, browsers.CreateCode().Code);

        clock.Now += TimeSpan.FromSeconds(59);
        var cookie = browsers.ExchangeCode(code)!.Value.Cookie;
        clock.Now += TimeSpan.FromSeconds(1);
        Assert.Null(browsers.ExchangeCode(late));

        clock.Now += TimeSpan.FromHours(12) - TimeSpan.FromSeconds(2);
        Assert.True(browsers.IsValid(cookie));
        clock.Now += TimeSpan.FromSeconds(1);
        Assert.False(browsers.IsValid(cookie));
    }

    sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }

    // Cookies know no ports: whoever runs another server of this machine may have been sent both.
    [Fact]
    public async Task A_cookie_of_the_console_counts_under_its_own_name_and_for_its_own_user()
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
        {
            BaseAddress = wake.Http.BaseAddress,
        };
        var local = (await Stranger.GetAsync(await Link())).Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        Assert.Equal(HttpStatusCode.OK, await Sessions(local));
        Assert.Equal(HttpStatusCode.Redirect, await Sessions(local.Replace("wake=", "wake-console=")));

        var made = await wake.Http.PostAsJsonAsync("/v1/keys", new { name = "n", scopes = new[] { "sessions:read" } });
        var key = (await made.Content.ReadFromJsonAsync<NewApiKey>())!.Key;
        var page = await http.GetAsync("/login");
        var form = await page.Content.ReadAsStringAsync();
        var field = Regex.Match(form, "name=\"__RequestVerificationToken\" value=\"([^\"]+)\"").Groups[1].Value;
        using var login = new HttpRequestMessage(HttpMethod.Post, "/login")
        {
            Content = new FormUrlEncodedContent(
                new Dictionary<string, string> { ["key"] = key, ["__RequestVerificationToken"] = field }
            ),
        };
        login.Headers.Add("Cookie", page.Headers.GetValues("Set-Cookie").Single().Split(';')[0]);
        var own = (await http.SendAsync(login)).Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        Assert.StartsWith("wake-console=", own);
        Assert.Equal(HttpStatusCode.OK, await Sessions(own));

        using var other = OtherUser.Create();
        if (other is null)
            return;

        foreach (var cookie in (string[])[own, local])
        {
            var said = Ask(other, "--header", $"Cookie: {cookie}", $"{new Uri(http.BaseAddress!, "/sessions")}");
            Assert.Equal("302", said);
        }

        async Task<HttpStatusCode> Sessions(string cookie)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/sessions");
            request.Headers.Add("Cookie", cookie);
            return (await http.SendAsync(request)).StatusCode;
        }
    }

    // The status of the answer to a request of theirs.
    static string Ask(OtherUser other, params string[] arguments) =>
        other
            .RunAs(
                "curl",
                ["--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}", .. arguments]
            )
            .Said;

    [Fact]
    public async Task Another_user_of_the_machine_gets_nowhere()
    {
        using var other = OtherUser.Create();
        if (other is null)
            return;

        var url = $"{wake.Http.BaseAddress}".TrimEnd('/');
        Assert.EndsWith("401", Curl($"{url}/v1/keys", "--json", """{"name":"n","scopes":["admin"]}"""));
        Assert.EndsWith("401", Curl($"{url}/v1/sessions", "--json", """{"key":"theirs","workspace":"/"}"""));
        Assert.NotEqual(0, other.RunAs("cat", Token).Code);

        // What stands on a command line everybody can read.
        Assert.EndsWith("401", Curl(url + await Link()));
        var cookie = (await Stranger.GetAsync(await Link())).Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        Assert.EndsWith("403", Curl($"{url}/v1/sessions", "--header", $"Cookie: {cookie}"));

        // The kernel says who connects, whatever the permissions are.
        var socket = Path.Combine(wake.Data, "run", "wake.sock");
        var folders = (string[])[Path.GetDirectoryName(wake.Data)!, wake.Data, Path.GetDirectoryName(socket)!];
        foreach (var folder in folders)
            File.SetUnixFileMode(folder, Everybody);
        File.SetUnixFileMode(socket, Everybody | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        Assert.NotEqual(
            0,
            other.RunAs("curl", "--silent", "--max-time", "10", "--unix-socket", socket, "http://x/").Code
        );
        Assert.Contains(wake.Processes, x => x.Log.Contains("turned away at the socket"));
        Assert.NotEqual(0, other.RunAs("cat", Token).Code);
        foreach (var folder in folders)
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        string Curl(string address, params string[] arguments) => Ask(other, [.. arguments, address]);
    }

    [Fact]
    public async Task The_token_is_not_shown_to_whoever_took_the_port_of_a_Wake_that_was_killed()
    {
        using var other = OtherUser.Create();
        if (other is null)
            return;

        using var folder = new TemporaryFolder();
        using var taker = other.StartAs(
            "perl",
            "-MIO::Socket::INET",
            "-e",
            """$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die; $| = 1; print $s->sockport, "\n"; while ($c = $s->accept) { while (<$c>) { print; last if /^\s*$/ } print $c "HTTP/1.0 200 OK\r\n\r\n[]"; close $c }"""
        );
        var port = (await taker.StandardOutput.ReadLineAsync())!;
        File.WriteAllText(folder.File("endpoint.json"), $$"""{"Url":"http://127.0.0.1:{{port}}","ProcessId":1}""");
        File.WriteAllText(folder.File("token"), "the token of before");

        var said = await Said(("WAKE_DATA", folder.Path));
        var keyed = await Said(("WAKE_DATA", folder.Path), ("WAKE_API_KEY", "a key that lasts"));

        taker.Kill();
        Assert.Equal((1, 1), (said.ExitCode, keyed.ExitCode));
        Assert.Contains("a program of the user", said.Errors);
        Assert.DoesNotContain("Bearer", await taker.StandardOutput.ReadToEndAsync());
    }

    [Fact]
    public async Task Silent_connections_at_the_socket_make_room()
    {
        var silent = Enumerable.Range(0, 70).Select(_ => Connected()).ToList();
        using var monitor = Connected();
        await using var stream = new NetworkStream(monitor);
        using var answers = new StreamReader(stream);

        await stream.WriteAsync("""{"type":"t","subject":"s","reason":"r"}"""u8.ToArray().Append((byte)'\n').ToArray());

        Assert.Contains("unwatched", await answers.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(10)));
        silent.ForEach(x => x.Dispose());

        Socket Connected()
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(wake.Data, "run", "wake.sock")));
            return socket;
        }
    }

    [Fact]
    public async Task A_gateway_that_would_let_nobody_in_does_not_start()
    {
        await using var system = await WakeSystem.Create(Transport.RabbitMq);

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            ServiceProcess.Start(
                "Wake.Gateway",
                new Dictionary<string, string> { ["ConnectionStrings__Wake"] = system.ConnectionString }
            )
        );

        Assert.Contains("Gateway__ApiKeys__0", refused.Message);
    }

    [Fact]
    public void The_kernels_table_of_connections_is_read_as_it_is_written()
    {
        var row = LocalUser.TcpRow.Parse(
            "   1: 0100007F:2425 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1"
        )!;
        Assert.Equal(("127.0.0.1:9253", "127.0.0.1:54000", 1000u), ($"{row.Local}", $"{row.Remote}", row.User));
        var six = LocalUser.TcpRow.Parse(
            "   1: 00000000000000000000000001000000:2425 0000000000000000FFFF00000100007F:D2F0 01 0:0 00:0 0  1000 "
                + "0 1 1"
        )!;
        Assert.Equal(("[::1]:9253", "127.0.0.1:54000"), ($"{six.Local}", $"{six.Remote}"));
        Assert.Null(
            LocalUser.TcpRow.Parse("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid")
        );

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Assert.Equal(
            OperatingSystem.IsLinux() ? LocalUser.CurrentUser : null,
            LocalUser.GetListenerUser(((IPEndPoint)listener.LocalEndpoint).Port)
        );
    }

    async Task<string> Link()
    {
        var said = await WakeCommandLine.Run(wake.Here, null, "open", "--output", "json");
        Assert.True(said.ExitCode == 0, said.Errors);
        return JsonElement.Parse(said.Output).GetProperty("path").GetString()!;
    }

    static Task<CommandOutput> Said(params (string Name, string Value)[] environment) =>
        WakeCommandLine.Run(environment.ToDictionary(x => x.Name, x => x.Value), null, "sessions");
}
