using System.Text.Json;
using System.Text.Json.Nodes;
using SgLang.Core;
using SgLang.Protocol;
using SgLang.Server.Parsing;
using SgLang.Tokenization;

namespace SgLang.Server.Serving;

/// <summary>What a chat answer is made of besides text: reasoning, tool calls, and what of it a grammar must ensure.</summary>
internal sealed class ChatForm
{
    private readonly string? _reasoning;
    private readonly string? _toolCalls;
    private readonly HashSet<string> _functions;
    private readonly ToolChoice _choice;
    private readonly bool _isOpen;
    private readonly bool _streamsReasoning;

    /// <param name="toolCallParser">Null: calls stay in the text, unless the request demands them.</param>
    /// <param name="reasoningParser">Null: reasoning stays in the text.</param>
    /// <param name="prompt">The rendered conversation; null where ids came in its place.</param>
    /// <exception cref="InvalidRequestException">tool_choice that cannot be honoured.</exception>
    public ChatForm(ChatCompletionRequest body, string? toolCallParser, string? reasoningParser, string? prompt)
    {
        _choice = ToolChoice.Of(body);
        _functions = [.. _choice.Tools.Select(tool => tool.Name)];
        _toolCalls = _choice.Kind == ToolChoiceKind.None || _functions.Count == 0 ? null : toolCallParser;
        bool? isOpen = reasoningParser is null ? null : ReasoningSplitter.IsOpenAfter(reasoningParser, prompt);
        _reasoning = isOpen is null ? null : reasoningParser;
        _isOpen = isOpen is true;
        Separates = _reasoning is not null && body.SeparateReasoning is not false;
        _streamsReasoning = body.StreamReasoning is not false;
    }

    /// <summary>Whether the model thinks before it answers.</summary>
    public bool HasReasoning => _reasoning is not null;

    /// <summary>Whether reasoning is given apart.</summary>
    private bool Separates { get; }

    /// <summary>The text is the content as it stands.</summary>
    public bool IsPlain => !Separates && _toolCalls is null && !_choice.IsDemanded;

    /// <summary>The tags of tool calls may be special tokens, which decoding must not leave out.</summary>
    public bool NeedsSpecialTokens => _toolCalls is not null && !_choice.IsDemanded;

    /// <summary>What the answer must look like for the calls that are demanded; null when none are.</summary>
    public GrammarSpec? DemandedCalls => _choice.IsDemanded ? new GrammarSpec(GrammarKind.JsonSchema, _choice.Schema()) : null;

    /// <summary>One for each choice of the answer; null where nothing is to be counted.</summary>
    public ReasoningCounter? NewReasoningCounter(Tokenizer? tokenizer, bool skipSpecialTokens) =>
        _reasoning is null || tokenizer is null ? null : new ReasoningCounter(new ReasoningSplitter(_isOpen), tokenizer.CreateStream(skipSpecialTokens));

    /// <summary>One for each choice of the answer.</summary>
    public ChatAnswerParser NewParser() => new(
        Separates ? new ReasoningSplitter(_isOpen, _streamsReasoning) : null,
        _choice.IsDemanded ? new JsonListCallParser(_functions) : _toolCalls is null ? null : ParserNames.CreateToolCalls(_toolCalls, _functions));
}
