using SgLang.Bench.SendOne;
using SgLang.Cli.Commands;
using SgLang.Cli.Parsing;

namespace SgLang.Cli.Tests.Commands;

public class SendOneTests
{
    private static SendOneOptions Options(params (string Name, string[] Values)[] given) =>
        SendOneCommand.Options(new FlagValues(SendOneFlags.All, given.ToDictionary(g => g.Name, g => g.Values)));

    [Fact]
    public void Without_flags_the_options_are_their_defaults()
    {
        Assert.Equal(new SendOneOptions { BaseUrl = new Uri("http://localhost:30000") }, Options() with { Stop = new SendOneOptions { BaseUrl = new Uri("http://h") }.Stop });
    }

    [Fact]
    public void Every_flag_reaches_its_option()
    {
        SendOneOptions options = Options(
            ("--base-url", ["http://h:1"]), ("--api-key", ["k"]), ("--batch-size", ["2"]), ("--different-prompts", []), ("--random-input-len", ["17"]), ("--random-input-vocab-size", ["5"]), ("--seed", ["3"]),
            ("--temperature", ["0.5"]), ("--max-new-tokens", ["9"]), ("--frequency-penalty", ["1"]), ("--presence-penalty", ["-1"]), ("--json", []), ("--return-logprob", []), ("--prompt", ["p"]), ("--stop", ["a", "b"]));
        Assert.Equal(["a", "b"], options.Stop);
        Assert.Equal(
            new SendOneOptions
            {
                BaseUrl = new Uri("http://h:1"), ApiKey = "k", BatchSize = 2, DifferentPrompts = true, RandomInputLength = 17, RandomInputVocabularySize = 5, Seed = 3, Temperature = 0.5, MaxNewTokens = 9,
                FrequencyPenalty = 1, PresencePenalty = -1, Json = true, ReturnLogprob = true, Prompt = "p", Stop = options.Stop,
            },
            options);
    }
}
