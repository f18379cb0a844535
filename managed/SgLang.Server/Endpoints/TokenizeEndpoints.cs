using System.Text.Json;
using Microsoft.AspNetCore.Http;
using SgLang.Protocol;
using SgLang.Protocol.Json;
using SgLang.Server.Http;
using SgLang.Server.Serving;
using SgLang.Tokenization;

namespace SgLang.Server.Endpoints;

/// <summary>POST /tokenize and /detokenize, also under /v1.</summary>
internal sealed class TokenizeEndpoints(ServingContext serving)
{
    public async Task TokenizeAsync(HttpContext http)
    {
        TokenizeRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.TokenizeRequest);
        Tokenizer tokenizer = RequireTokenizer();
        bool hasMessages = body.Messages is { ValueKind: not JsonValueKind.Null };
        if (body.Prompt is null != hasMessages) throw new InvalidRequestException("Exactly one of prompt and messages must be given.");
        TokenizeResponse response;
        if (body.Prompt is { } prompt)
        {
            int[][] ids = [.. prompt.Items.Select(text => tokenizer.Encode(text, body.AddSpecialTokens ?? true))];
            response = new TokenizeResponse
            {
                Tokens = new OneOrMany<int[]>(ids, prompt.IsMany),
                Count = new OneOrMany<int>([.. ids.Select(one => one.Length)], prompt.IsMany),
                MaxModelLen = tokenizer.ModelMaxLength ?? -1,
            };
        }
        else
        {
            ChatTemplate template = serving.Engine.ChatTemplate ?? throw new InvalidRequestException("messages needs a chat template, and the model has none; start the server with --chat-template.");
            // As in a chat: a model's own template writes the special tokens itself.
            int[] ids = tokenizer.Encode(ChatPrompt.Render(template, body.Messages, body.Tools, body.ChatTemplateKwargs, continueFinalMessage: false), template.AddsSpecialTokens);
            response = new TokenizeResponse { Tokens = new OneOrMany<int[]>([ids], false), Count = ids.Length, MaxModelLen = tokenizer.ModelMaxLength ?? -1 };
        }
        await Respond.JsonAsync(http, 200, response, ProtocolJsonContext.Default.TokenizeResponse);
    }

    public async Task DetokenizeAsync(HttpContext http)
    {
        DetokenizeRequest body = await RequestBody.ReadAsync(http, ProtocolJsonContext.Default.DetokenizeRequest);
        Tokenizer tokenizer = RequireTokenizer();
        OneOrMany<int[]> tokens = body.Tokens ?? throw new InvalidRequestException("tokens is required.");
        int vocabulary = serving.Engine.Info.VocabularySize;
        foreach (int id in tokens.Items.SelectMany(ids => ids))
            if ((uint)id >= (uint)vocabulary) throw new InvalidRequestException($"tokens must be ids in [0, {vocabulary - 1}], got {id}.");
        var response = new DetokenizeResponse
        {
            Text = new OneOrMany<string>([.. tokens.Items.Select(ids => tokenizer.Decode(ids, body.SkipSpecialTokens ?? true))], tokens.IsMany),
        };
        await Respond.JsonAsync(http, 200, response, ProtocolJsonContext.Default.DetokenizeResponse);
    }

    private Tokenizer RequireTokenizer() => serving.Engine.Tokenizer ?? throw new InvalidRequestException("This server runs without a tokenizer.");
}
