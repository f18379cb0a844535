using System.Text.Json.Nodes;
using SgLang.Tokenization.Jinja;
using SgLang.Tokenization.Loading;
using SgLang.Tokenization.Templates;

namespace SgLang.Tokenization;

/// <summary>A model's Jinja chat template, compiled. Immutable and thread safe.</summary>
public sealed class ChatTemplate
{
    private readonly Statement[] _template;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;
    private readonly TimeProvider _time;

    private ChatTemplate(string source, IReadOnlyDictionary<string, string> specialTokens, string origin, TimeProvider? time)
    {
        Source = source;
        _specialTokens = specialTokens;
        _time = time ?? TimeProvider.System;
        try
        {
            _template = Parser.Parse(source);
        }
        catch (TemplateError e)
        {
            throw new ChatTemplateException($"{origin}, line {e.Line}: {e.Message}", e);
        }

        WantsContentParts = ContentFormat.IteratesContent(_template);
    }

    /// <summary>
    /// From chat_template.jinja or tokenizer_config.json in <paramref name="directory"/>, or what <paramref name="replacement"/> says: one of
    /// <see cref="BuiltInNames"/>, or the path of a Jinja file or of a .json file in SGLang's form. Null where the model has none. Throws
    /// <see cref="ChatTemplateException"/> for one that does not compile.
    /// </summary>
    public static ChatTemplate? Load(string directory, string? replacement = null)
    {
        TokenizerConfig config;
        TemplateSource? source = null;
        try
        {
            config = TokenizerConfig.Load(directory);
            if (replacement is not null)
            {
                source = BuiltInTemplates.Find(replacement);
                if (source is null && Path.GetExtension(replacement) == ".json")
                {
                    source = ConversationFile.Read(replacement);
                }
            }
        }
        catch (TokenizerException e)
        {
            throw new ChatTemplateException(e.Message, e);
        }

        if (source is not null)
        {
            return new ChatTemplate(source.Jinja, config.SpecialTokens, replacement!, time: null) { StopStrings = source.Stops, AddsSpecialTokens = true };
        }

        string path = replacement ?? Path.Combine(directory, "chat_template.jinja");
        if (replacement is not null || File.Exists(path))
        {
            return new ChatTemplate(ReadSource(path), config.SpecialTokens, path, time: null);
        }

        return config.ChatTemplate is null ? null : new ChatTemplate(config.ChatTemplate, config.SpecialTokens, "chat_template of tokenizer_config.json", time: null);
    }

    /// <summary>From source text. <paramref name="specialTokens"/>: bos_token and its like, which become variables. <paramref name="time"/> is what strftime_now reads.</summary>
    public static ChatTemplate Parse(string source, IReadOnlyDictionary<string, string>? specialTokens = null, TimeProvider? time = null) =>
        new(source, specialTokens ?? new Dictionary<string, string>(), "chat template", time);

    /// <summary>Names of the templates that need no file.</summary>
    public static IReadOnlyCollection<string> BuiltInNames => BuiltInTemplates.Names;

    /// <summary>Texts that end an answer, beside the request's own.</summary>
    public IReadOnlyList<string> StopStrings { get; private init; } = [];

    /// <summary>Whether a rendering lacks the special tokens that the tokenizer puts around a text; a model's own template writes them itself.</summary>
    public bool AddsSpecialTokens { get; private init; }

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>Whether the template iterates over a message's content, so that content should be passed as a list of parts.</summary>
    public bool WantsContentParts { get; }

    /// <summary>
    /// Renders a conversation. <paramref name="messages"/> is an array of {role, content, ...} objects, <paramref name="tools"/> the request's
    /// tools or null, <paramref name="arguments"/> further template variables. Throws <see cref="ChatTemplateException"/> with the template's own message.
    /// </summary>
    public string Render(JsonArray messages, JsonArray? tools, bool addGenerationPrompt, JsonObject? arguments = null)
    {
        var variables = new Dictionary<string, object?>();
        foreach ((string name, string token) in _specialTokens)
        {
            variables[name] = token;
        }

        variables["messages"] = JsonValues.From(messages);
        variables["tools"] = JsonValues.From(tools);
        variables["documents"] = null;
        variables["add_generation_prompt"] = addGenerationPrompt;
        foreach ((string name, JsonNode? value) in arguments ?? [])
        {
            variables[name] = JsonValues.From(value);
        }

        try
        {
            return Evaluator.Run(_template, variables, _time);
        }
        catch (TemplateError e)
        {
            throw new ChatTemplateException(e.IsRaised ? e.Message : $"chat template, line {e.Line}: {e.Message}", e) { Line = e.Line };
        }
    }

    private static string ReadSource(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChatTemplateException($"{path} cannot be read: {e.Message}", e);
        }
    }
}

/// <summary>A template that does not compile or does not render. What raise_exception says is the message as it stands.</summary>
public sealed class ChatTemplateException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The template's line, from 1; 0 when it is not known.</summary>
    public int Line { get; init; }
}
