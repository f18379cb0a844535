using SgLang.Cli.Parsing;
using static SgLang.Cli.Parsing.FlagKind;

namespace SgLang.Cli.Commands;

/// <summary>Flags of send-one.</summary>
internal static class SendOneFlags
{
    private const string TextOnly = "the models served take text only";

    public static FlagSet All { get; } = new(
        new Flag("--host", Text, "The server's address.") { Default = "localhost" },
        new Flag("--port", Integer, "The server's port.") { Default = "30000", Min = 1, Max = 65535 },
        new Flag("--base-url", Text, "The server's URL, instead of host and port."),
        new Flag("--api-key", Text, "Sent as Authorization: Bearer KEY."),
        new Flag("--batch-size", Integer, "Prompts in the one request; only the first answer is shown.") { Default = "1", Min = 1, Max = 65536 },
        new Flag("--different-prompts", Switch, "Begin each prompt of the batch differently."),
        new Flag("--random-input-len", Integer, "Send this many random token ids instead of a prompt.") { Min = 1, Max = int.MaxValue },
        new Flag("--random-input-vocab-size", Integer, "Random ids are below this.") { Default = "32768", Min = 1, Max = int.MaxValue },
        new Flag("--seed", Integer, "Of sampling and of random ids."),
        new Flag("--temperature", Number, "0 is greedy.") { Default = "0.0", Min = 0 },
        new Flag("--max-new-tokens", Integer, "Longest answer.") { Default = "512", Min = 0, Max = int.MaxValue },
        new Flag("--frequency-penalty", Number, "") { Default = "0", Min = -2, Max = 2 },
        new Flag("--presence-penalty", Number, "") { Default = "0", Min = -2, Max = 2 },
        new Flag("--json", Switch, "Ask for JSON."),
        new Flag("--return-logprob", Switch, "Ask for log-probabilities."),
        new Flag("--prompt", Text, "What to send; a request for a web server otherwise."),
        new Flag("--stop", TextList, "Texts that end the answer."),
        new Flag("--image", Switch, "") { OnlyDefault = TextOnly },
        new Flag("--many-images", Switch, "") { OnlyDefault = TextOnly },
        new Flag("--stream", Switch, "Show the text as it comes."),
        new Flag("--profile", Switch, "Record the first steps of the request into trace files."),
        new Flag("--profile-steps", Integer, "Steps to record.") { Default = "5", Min = 1, Max = int.MaxValue },
        new Flag("--profile-by-stage", Switch, "Record prefill and decode steps into files of their own."),
        new Flag("--profile-prefix", Text, "First part of the files' names."));
}
