using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;

namespace SgLang.Architecture.Tests;

/// <summary>
/// build.sh and build.ps1, copied to a directory of their own where programs that only write down how they were called stand for compilers and the SDK.
/// build.ps1 is run where there is a pwsh; that both have the same verbs and call the same is compared in their text everywhere.
/// </summary>
public sealed partial class BuildScriptTests : IDisposable
{
    private const string NoSdk = "the .NET 10 SDK (or newer) is missing; see https://dot.net (package dotnet-sdk-10.0 of Microsoft's Debian repository)";
    private static readonly string[] s_verbs = ["build", "serve", "test", "bench", "publish", "bindings", "gpu-test"];

    private static string Root => typeof(BuildScriptTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(a => a.Key == "RepositoryRoot").Value!;

    private readonly string _directory = TestDirectory.Create("sgl-build");

    public BuildScriptTests()
    {
        foreach (string script in new[] { "build.sh", "build.ps1", "tests/run.sh", "tests/gpu/run.sh" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At(script))!);
            File.Copy(Path.Combine(Root, script), At(script));
        }
        Directory.CreateDirectory(At("models/demo"));
        foreach (string tool in new[] { "bash", "dirname", "grep", "nproc", "mkdir", "cp", "cat" })
            File.CreateSymbolicLink(At($"path/{tool}", isNew: true), Located(tool) ?? throw new InvalidOperationException($"this machine has no {tool}"));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Those that can be run here.</summary>
    public static TheoryData<string> Scripts => Located("pwsh") is null ? ["build.sh"] : ["build.sh", "build.ps1"];

    public static TheoryData<string, string> ScriptsAndVerbs => new(Scripts.SelectMany(script => s_verbs.Select(verb => (script.Data, verb))));

    [Theory]
    [MemberData(nameof(ScriptsAndVerbs))]
    public void One_run_names_every_command_that_is_missing(string script, string verb)
    {
        (int code, string output) = Run(script, verb);
        Assert.Equal(2, code);
        string[] packages = [.. Apt().Match(output).Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Where(package => package is not ("libgtest-dev" or "zlib1g-dev"))];
        string[] expected = verb switch
        {
            "bindings" => ["clang"],
            "test" => ["clang", "cmake", "curl", "g++"],
            _ => ["cmake", "g++"],
        };
        Assert.Equal(expected, packages.Order(StringComparer.Ordinal));
        Assert.Equal(verb is not ("bench" or "gpu-test"), output.Contains($"{script}: {NoSdk}", StringComparison.Ordinal));
        Assert.False(Directory.Exists(At("out")), "work began although something was missing");
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void An_older_sdk_is_none(string script)
    {
        Fake("g++");
        Fake("cmake");
        Fake("dotnet", "echo '9.0.308 [/usr/share/dotnet/sdk]'");
        (int code, string output) = Run(script, "build");
        Assert.Equal((2, $"{script}: {NoSdk}"), (code, output.Trim()));
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void Clang_under_a_versioned_name_will_do_and_clang_format_will_not(string script)
    {
        FakeSdk();
        Fake("clang-format");
        Assert.Equal((2, $"{script}: missing on this machine; on Debian: apt-get install clang"), WithTrimmed(Run(script, "bindings")));
        Fake("clang-14");
        Assert.Equal(0, Run(script, "bindings", "--verify").Code);
        Assert.EndsWith($"dotnet run --project bindings-gen/SgLang.BindingsGen -c Release -- --root {_directory} --verify", Calls()[^1]);
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void What_is_built_is_the_release_without_tests_and_the_program(string script)
    {
        FakeCompilers();
        FakeSdk();
        Assert.Equal(0, Run(script, "build").Code);
        Assert.Equal(
            [
                "cmake --preset release -DSGL_BUILD_TESTS=OFF -DSGL_BUILD_BENCH=OFF",
                $"cmake --build --preset release --parallel {Environment.ProcessorCount}",
                "dotnet publish managed/SgLang.Cli -c Release -o out/bin --nologo -v quiet",
            ],
            Calls().Where(call => !call.EndsWith("--list-sdks", StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void Serve_hands_its_arguments_to_the_server_and_its_exit_code_back(string script)
    {
        FakeCompilers();
        FakeSdk();
        Executable(At("out/bin/sglang", isNew: true), "exit 41");
        Assert.Equal(41, Run(script, "serve", "--port", "31000", "--json-model-override-args", """{"num_hidden_layers": 1}""").Code);
        Assert.Equal("""sglang launch-server --port 31000 --json-model-override-args {"num_hidden_layers": 1}""", Calls()[^1]);
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void A_compiler_that_fails_ends_it(string script)
    {
        Fake("g++");
        Fake("cmake", """case "$*" in *--build*) exit 3;; esac""");
        FakeSdk();
        Executable(At("out/bin/sglang", isNew: true), "");
        foreach (string verb in new[] { "build", "serve", "publish", "bench" }) Assert.NotEqual(0, Run(script, verb).Code);
        Assert.DoesNotContain(Calls(), call => call.StartsWith("sglang", StringComparison.Ordinal) || call.StartsWith("dotnet publish", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void Bench_runs_what_is_named_and_knows_nothing_else(string script)
    {
        FakeCompilers();
        foreach (string bench in new[] { "linear_bench", "moe_bench" }) Executable(At($"out/native/release/bin/{bench}", isNew: true), "");
        Assert.Equal(0, Run(script, "bench", "moe_bench").Code);
        Assert.Equal(["moe_bench"], Calls().Where(call => !call.StartsWith("cmake", StringComparison.Ordinal)));
        Assert.Contains("-DSGL_BUILD_BENCH=ON", Calls()[0]);
        (int code, string output) = Run(script, "bench", "no_bench");
        Assert.Equal(2, code);
        Assert.Contains($"{script}: no bench 'no_bench'; one of: linear_bench moe_bench", output);
    }

    [Theory]
    [MemberData(nameof(Scripts))]
    public void An_unknown_verb_lists_those_that_are(string script)
    {
        (int code, string output) = Run(script, "frobnicate");
        Assert.Equal(2, code);
        Assert.Contains($"{script}: unknown verb 'frobnicate'", output);
        foreach (string known in s_verbs) Assert.Contains($"\n  {known} ", output);
    }

    [Fact]
    public void Both_scripts_have_the_same_verbs_and_words_for_them()
    {
        string shell = File.ReadAllText(Path.Combine(Root, "build.sh")), power = File.ReadAllText(Path.Combine(Root, "build.ps1"));
        Assert.Equal(s_verbs, ShellCase().Matches(shell[shell.IndexOf("case \"$verb\"", StringComparison.Ordinal)..]).Select(match => match.Groups[1].Value).Where(verb => verb != "help"));
        Assert.Equal(s_verbs, PowerCase().Matches(power[power.IndexOf("switch (", StringComparison.Ordinal)..]).Select(match => match.Groups[1].Value));
        Assert.Equal(Usage(shell), Usage(power));
        foreach (string verb in s_verbs) Assert.Contains($"\n  {verb} ", Usage(shell));

        static string Usage(string script) => UsageText().Match(script).Groups[1].Value;
    }

    [Fact]
    public void Both_scripts_know_the_same_packages_and_call_the_sdk_alike()
    {
        string shell = File.ReadAllText(Path.Combine(Root, "build.sh")), power = File.ReadAllText(Path.Combine(Root, "build.ps1"));
        Assert.Equal(ShellNeed().Matches(shell).Select(match => match.Groups[1].Value).Append("bash").Order(StringComparer.Ordinal).Distinct(),
            PowerNeed().Matches(power).Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal));
        string[] shellCalls = DotNetCalls(shell), powerCalls = DotNetCalls(power);
        Assert.Equal(3, shellCalls.Length);
        Assert.Equal(shellCalls, powerCalls);

        // Neither the quotes of the two shells nor their names for the checkout and for the remaining arguments count.
        static string[] DotNetCalls(string script) => [.. DotNet().Matches(script)
            .Select(match => Quotes().Replace(match.Value.Replace("$PSScriptRoot", "$root").Replace("@rest", "$@"), ""))
            .Order(StringComparer.Ordinal)];
    }

    private string At(string path, bool isNew = false)
    {
        string full = Path.Combine(_directory, path);
        if (isNew) Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        return full;
    }

    private string[] Calls() => File.ReadAllLines(At("calls"));

    private void Fake(string program, string behaviour = "") => Executable(At($"path/{program}", isNew: true), behaviour);

    private void FakeCompilers()
    {
        Fake("g++");
        Fake("cmake");
    }

    private void FakeSdk() => Fake("dotnet", """[ "$1" = --list-sdks ] && echo '10.0.100 [/usr/share/dotnet/sdk]'; exit 0""");

    /// <summary>A program that writes its name and arguments to `calls`, then does what `behaviour` says.</summary>
    private void Executable(string path, string behaviour)
    {
        File.WriteAllText(path, $"#!{Located("bash")}\necho \"${{0##*/}} $*\" | {{ read -r call; echo \"$call\" >>'{At("calls")}'; }}\n{behaviour}\n");
        if (OperatingSystem.IsWindows()) throw new PlatformNotSupportedException("the stand-ins are shell scripts");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static (int Code, string Output) WithTrimmed((int Code, string Output) ended) => (ended.Code, ended.Output.Trim());

    private (int Code, string Output) Run(string script, params string[] arguments)
    {
        string shell = script == "build.ps1" ? "pwsh" : "bash";
        string? program = Located(shell);
        var start = new ProcessStartInfo(program ?? throw new InvalidOperationException($"this machine has no {shell}"), [At(script), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = At("path");
        start.Environment.Remove("GTEST_PREFIX");
        start.Environment.Remove("CMAKE_GENERATOR");
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    private static string? Located(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    [GeneratedRegex(@"apt-get install (.*)")]
    private static partial Regex Apt();

    [GeneratedRegex(@"^  ([a-z-]+)(?: \||\))", RegexOptions.Multiline)]
    private static partial Regex ShellCase();

    [GeneratedRegex(@"^    '([a-z-]+)' \{", RegexOptions.Multiline)]
    private static partial Regex PowerCase();

    [GeneratedRegex(@"usage: \./build\.\w+ (.*?)\n(?:EOF|'@)", RegexOptions.Singleline)]
    private static partial Regex UsageText();

    [GeneratedRegex(@"\bneed ([a-z0-9+-]+) ")]
    private static partial Regex ShellNeed();

    [GeneratedRegex(@"^    '([a-z0-9+-]+)' = @\(", RegexOptions.Multiline)]
    private static partial Regex PowerNeed();

    [GeneratedRegex(@"\bdotnet (?:@\('publish',|publish|run) .*")]
    private static partial Regex DotNet();

    [GeneratedRegex(@"@\(|[',\)]|\x22")]
    private static partial Regex Quotes();
}
