using System.Text;

namespace SgLang.Bench.Load;

/// <summary>What the end of a response makes of its record, whichever client received it.</summary>
internal static class AnswerEnding
{
    /// <param name="body">What was received of an answer that is not a stream.</param>
    /// <param name="rest">What came after the last line end of a stream.</param>
    public static void Settle(LoadClientOptions options, RequestRecord record, AnswerReader answer, int status, string reason, MemoryStream body, ReadOnlySpan<byte> rest, long at)
    {
        if (status != 200)
        {
            record.Error = $"{status} {reason}: {Encoding.UTF8.GetString(body.GetBuffer().AsSpan(0, (int)body.Length))}";
            record.Ended = at;
            return;
        }
        if (!options.IsStreaming)
        {
            answer.ReadBody(body.GetBuffer().AsSpan(0, (int)body.Length), at);
        }
        else if (!answer.IsDone)
        {
            answer.ReadLine(rest, at);
            if (!answer.IsDone && options.ExpectsDone)
            {
                record.Error ??= "the stream ended without [DONE]";
                record.Ended = at;
            }
        }
        answer.Complete();
        if (record.Ended == 0) record.Ended = at;
    }
}
