using System.Diagnostics;
using System.Text;
using SgLang.Bench;
using SgLang.Bench.Http;

namespace SgLang.Cli.Commands;

/// <summary>`sglang launch-server` as a child process, which ends with this one's use of it.</summary>
internal sealed class ServerChild : IAsyncDisposable
{
    private const int LinesKept = 30;
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(600);
    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly Queue<string> _lastLines = [];

    private ServerChild(Process process, Uri address)
    {
        _process = process;
        Address = address;
    }

    public Uri Address { get; }

    /// <param name="arguments">Of launch-server.</param>
    /// <exception cref="BenchException">It ended, or was not ready in ten minutes.</exception>
    public static async Task<ServerChild> StartAsync(IReadOnlyList<string> arguments, Uri address, string? authorization, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // Published it is one program; else the platform's host runs the library beside this one.
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "sglang")
        {
            start.FileName = Environment.ProcessPath!;
        }
        else
        {
            start.FileName = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "sglang.dll"));
        }
        start.ArgumentList.Add("launch-server");
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        var child = new ServerChild(new Process { StartInfo = start }, address);
        child._process.OutputDataReceived += (_, e) => child.Keep(e.Data);
        child._process.ErrorDataReceived += (_, e) => child.Keep(e.Data);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        try
        {
            await child.WaitUntilReadyAsync(authorization, cancellation);
            return child;
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks it to end, and makes it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            using var patience = new CancellationTokenSource(s_end);
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                // It is the system's to end now.
            }
        }
        _process.Dispose();
    }

    private async Task WaitUntilReadyAsync(string? authorization, CancellationToken cancellation)
    {
        using ServerApi api = new(Address, authorization);
        long start = Stopwatch.GetTimestamp();
        while (!await api.IsReadyAsync("/v1/models", cancellation))
        {
            if (_process.HasExited)
            {
                await _process.WaitForExitAsync(cancellation);
                throw new BenchException($"the server ended with code {_process.ExitCode} before it was ready:\n{LastLines()}");
            }
            if (Stopwatch.GetElapsedTime(start) > s_timeout) throw new BenchException($"the server was not ready within {s_timeout.TotalSeconds} s:\n{LastLines()}");
            await Task.Delay(s_poll, cancellation);
        }
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (_lastLines)
        {
            _lastLines.Enqueue(line);
            if (_lastLines.Count > LinesKept) _lastLines.Dequeue();
        }
    }

    private string LastLines()
    {
        var text = new StringBuilder();
        lock (_lastLines) text.AppendJoin('\n', _lastLines);
        return text.ToString();
    }
}
