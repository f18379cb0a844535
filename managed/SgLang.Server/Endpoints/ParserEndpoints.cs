using Microsoft.AspNetCore.Http;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Http;
using SgLang.Server.Parsing;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>POST /separate_reasoning and /parse_function_call: the parsers of chat answers on a text that the caller has.</summary>
internal sealed class ParserEndpoints(ServingContext serving)
{
    public async Task SeparateReasoningAsync(HttpContext http)
    {
        SeparateReasoningRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.SeparateReasoningRequest);
        string text = body.Text ?? throw new InvalidRequestException("text is required.");
        string parser = Name("reasoning_parser", body.ReasoningParser, serving.ReasoningParser, ServerOptions.ReasoningParsers);
        ChatMessage message = new ChatAnswerParser(new ReasoningSplitter(ParserNames.OpensSilently(parser)), null).Message(text);
        await Respond.JsonAsync(http, 200, new SeparateReasoningResponse(message.ReasoningContent ?? "", message.Content ?? ""), ProtocolJsonContext.Default.SeparateReasoningResponse);
    }

    public async Task ParseFunctionCallAsync(HttpContext http)
    {
        ParseFunctionCallRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.ParseFunctionCallRequest);
        string text = body.Text ?? throw new InvalidRequestException("text is required.");
        string parser = Name("tool_call_parser", body.ToolCallParser, serving.ToolCallParser, ServerOptions.ToolCallParsers);
        List<string> functions = [.. ToolChoice.Of(new ChatCompletionRequest { Tools = body.Tools }).Tools.Select(tool => tool.Name)];
        if (functions.Count == 0) throw new InvalidRequestException("tools is required: only calls of the functions it names are found.");
        ChatMessage message = new ChatAnswerParser(null, ParserNames.CreateToolCalls(parser, functions)).Message(text);
        List<ParsedCall> calls = [];
        foreach (ToolCall call in message.ToolCalls ?? [])
            calls.Add(new ParsedCall(functions.IndexOf(call.Function.Name!), call.Function.Name!, call.Function.Arguments ?? ""));
        await Respond.JsonAsync(http, 200, new ParseFunctionCallResponse(message.Content ?? "", calls), ProtocolJsonContext.Default.ParseFunctionCallResponse);
    }

    private static string Name(string field, string? wanted, string? served, IReadOnlyList<string> known)
    {
        string name = wanted ?? served ?? throw new InvalidRequestException($"{field} is required: the server was started without one; use one of {string.Join(", ", known)}.");
        return known.Contains(name) ? name : throw new InvalidRequestException($"{field} must be one of {string.Join(", ", known)}, got {name}.");
    }
}
