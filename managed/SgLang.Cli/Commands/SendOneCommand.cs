using System.CommandLine;
using SgLang.Bench.SendOne;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Commands;

/// <summary>`sglang send-one`: one request to a running server, its text and how long it took.</summary>
internal static class SendOneCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var command = new Command("send-one", "Send one request to a running server and print the answer and its speed.");
        Dictionary<string, Option> options = FlagValues.Bind(command, SendOneFlags.All);
        command.SetAction((result, cancellation) =>
        {
            FlagValues flags = FlagValues.From(result, SendOneFlags.All, options);
            return SendOneProfile.AroundAsync(flags, output, error, () => new SendOneClient(Options(flags), output, error).RunAsync(cancellation), cancellation);
        });
        return command;
    }

    internal static SendOneOptions Options(FlagValues flags)
    {
        int batch = flags.Integer("--batch-size")!.Value;
        bool stream = flags.Switch("--stream");
        if (stream && batch > 1) throw new UsageException("--stream shows a single request; leave --batch-size at 1");
        string url = flags.Text("--base-url") ?? $"http://{flags.Text("--host")}:{flags.Text("--port")}";
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https"))
            throw new UsageException($"--base-url: must be an http or https URL, got '{url}'");
        return new SendOneOptions
        {
            BaseUrl = address,
            ApiKey = flags.Text("--api-key"),
            BatchSize = batch,
            DifferentPrompts = flags.Switch("--different-prompts"),
            RandomInputLength = flags.Integer("--random-input-len"),
            RandomInputVocabularySize = flags.Integer("--random-input-vocab-size")!.Value,
            Seed = flags.Integer("--seed"),
            Temperature = flags.Number("--temperature")!.Value,
            MaxNewTokens = flags.Integer("--max-new-tokens")!.Value,
            FrequencyPenalty = flags.Number("--frequency-penalty")!.Value,
            PresencePenalty = flags.Number("--presence-penalty")!.Value,
            Json = flags.Switch("--json"),
            ReturnLogprob = flags.Switch("--return-logprob"),
            Prompt = flags.Text("--prompt"),
            Stop = flags.List("--stop"),
            Stream = stream,
        };
    }
}
