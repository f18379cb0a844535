using System.Diagnostics;
using System.Globalization;
using System.Text;
using SgLang.Server;

namespace SgLang.Integration.Tests;

/// <summary>The program `sglang` as a process of its own.</summary>
public sealed class ServerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly TaskCompletionSource<Uri> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcess(Process process) => _process = process;

    /// <summary>Everything written to stdout and stderr so far.</summary>
    public string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    public static ServerProcess Start(params string[] arguments) => Start([], arguments);

    public static ServerProcess Start(Dictionary<string, string> environment, params string[] arguments) => StartIn([], environment, arguments);

    /// <param name="wrapper">A command that runs the one that follows it.</param>
    public static ServerProcess StartIn(string[] wrapper, Dictionary<string, string> environment, params string[] arguments)
    {
        var process = new Process { StartInfo = Command(wrapper, environment, arguments) };
        var server = new ServerProcess(process);
        process.OutputDataReceived += (_, e) => server.Line(e.Data);
        process.ErrorDataReceived += (_, e) => server.Line(e.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return server;
    }

    /// <summary>The program with its output redirected, to be started and read.</summary>
    public static ProcessStartInfo Command(string[] wrapper, Dictionary<string, string> environment, params string[] arguments)
    {
        // The test's own host runs it: the program need not have been built for this machine.
        string[] command = [.. wrapper, "dotnet"];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "sglang.dll"));
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        return start;
    }

    /// <summary>The server's address, once it says it is ready.</summary>
    public async Task<Uri> ReadyAsync()
    {
        Task exited = _process.WaitForExitAsync();
        Task first = await Task.WhenAny(_ready.Task, exited, Task.Delay(DemoServer.Deadline));
        Assert.True(first == _ready.Task, $"the server did not become ready:\n{Output}");
        return await _listening.Task;
    }

    public async Task<int> ExitAsync()
    {
        using var deadline = new CancellationTokenSource(DemoServer.Deadline);
        await _process.WaitForExitAsync(deadline.Token);
        return _process.ExitCode;
    }

    public void Signal(string name) => Assert.True(TrySignal(name), $"the server is gone:\n{Output}");

    /// <summary>False when the process has ended.</summary>
    public bool TrySignal(string name)
    {
        var start = new ProcessStartInfo("kill", [$"-{name}", _process.Id.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardError = true };
        using Process kill = Process.Start(start)!;
        kill.WaitForExit();
        return kill.ExitCode == 0;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private void Line(string? line)
    {
        if (line is null) return;
        lock (_output) _output.AppendLine(line);
        const string listening = "Listening on ";
        int at = line.IndexOf(listening, StringComparison.Ordinal);
        if (at >= 0) _listening.TrySetResult(new Uri(line[(at + listening.Length)..].Trim()));
        if (line.EndsWith(ServerHost.ReadyLine, StringComparison.Ordinal)) _ready.TrySetResult();
    }
}
