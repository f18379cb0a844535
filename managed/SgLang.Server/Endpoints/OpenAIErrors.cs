using Microsoft.AspNetCore.Http;
using SgLang.Core;
using SgLang.Engine;
using SgLang.Protocol;
using SgLang.Protocol.Sse;
using SgLang.Server.Http;

namespace SgLang.Server.Endpoints;

/// <summary>Errors that arrive as the end of a generation.</summary>
internal static class OpenAIErrors
{
    /// <summary>Null unless the chunk ends its generation with an error; an abort the user asked for is none.</summary>
    public static MappedError? Of(GenerationChunk chunk) => chunk.Finish is { Kind: FinishKind.Abort, StatusCode: > 0 } failed
        ? ErrorMapper.Rejected(failed.StatusCode, failed.Text ?? "The request was aborted.", ErrorStyle.OpenAI)
        : null;

    /// <summary>A real status while nothing has been sent, else an event and the end of the stream.</summary>
    public static async Task EndStreamAsync(HttpContext http, SseWriter? events, MappedError error)
    {
        if (events is null)
        {
            await ErrorMapper.WriteAsync(http, error);
            return;
        }
        events.Write(new ErrorEvent(error.Body), ProtocolJsonContext.Default.ErrorEvent);
        events.WriteDone();
        await Respond.FlushAsync(http);
    }
}
