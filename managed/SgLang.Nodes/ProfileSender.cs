using Google.Protobuf;
using Grpc.Core;
using SgLang.Engine;
using SgLang.Nodes.Wire;
using SgLang.Profiling;

namespace SgLang.Nodes;

/// <summary>Sends a node's files of a profile to node 0, over a call of their own: results of steps do not queue behind them.</summary>
internal static class ProfileSender
{
    private const int PartBytes = 1 << 18;
    private const int NumExchanges = 16;

    /// <summary>On the thread that has written the files; returns when node 0 has them, or is gone.</summary>
    public static void Send(Func<CancellationToken, AsyncDuplexStreamingCall<ProfileMessage, ClockAnswer>> open, long window, ProfileResult result, CancellationToken over)
    {
        try
        {
            SendAsync(open, window, result, over).GetAwaiter().GetResult();
        }
        // Node 0 sees that the call has ended, or is not there any more; either says why.
        catch (Exception error) when (error is RpcException or IOException or UnauthorizedAccessException or OperationCanceledException or InvalidOperationException)
        {
        }
    }

    private static async Task SendAsync(Func<CancellationToken, AsyncDuplexStreamingCall<ProfileMessage, ClockAnswer>> open, long window, ProfileResult result, CancellationToken over)
    {
        using AsyncDuplexStreamingCall<ProfileMessage, ClockAnswer> call = open(over);
        ClockOffset head = await MeasureAsync(call, window, over).ConfigureAwait(false);
        byte[] buffer = new byte[PartBytes];
        foreach (string path in result.Files)
        {
            await using FileStream file = File.OpenRead(path);
            long left = file.Length;
            do
            {
                int count = await file.ReadAsync(buffer, over).ConfigureAwait(false);
                left -= count;
                ProfilePart part = new() { File = Path.GetFileName(path), Data = ByteString.CopyFrom(buffer, 0, count), IsLast = left <= 0 };
                await call.RequestStream.WriteAsync(new ProfileMessage { Window = window, Part = part }, over).ConfigureAwait(false);
            }
            while (left > 0);
        }
        ProfileDone done = new()
        {
            RecordsDropped = result.RecordsDropped, Error = result.Error ?? "", ClockAheadNs = -head.Nanoseconds, ClockErrorNs = head.ErrorNanoseconds,
        };
        await call.RequestStream.WriteAsync(new ProfileMessage { Window = window, Done = done }, over).ConfigureAwait(false);
        await call.RequestStream.CompleteAsync().ConfigureAwait(false);
        // The head ends the call when it has put the files in place.
        while (await call.ResponseStream.MoveNext(over).ConfigureAwait(false))
        {
        }
    }

    /// <summary>How far node 0's clock is ahead of this machine's.</summary>
    private static async Task<ClockOffset> MeasureAsync(AsyncDuplexStreamingCall<ProfileMessage, ClockAnswer> call, long window, CancellationToken over)
    {
        List<ClockExchange> exchanges = [];
        while (exchanges.Count < NumExchanges)
        {
            long asked = TraceClock.NowNanoseconds();
            await call.RequestStream.WriteAsync(new ProfileMessage { Window = window, ClockQuestion = asked }, over).ConfigureAwait(false);
            if (!await call.ResponseStream.MoveNext(over).ConfigureAwait(false)) throw new IOException("node 0 has ended the call");
            exchanges.Add(new ClockExchange(asked, call.ResponseStream.Current.Received, call.ResponseStream.Current.Answered, TraceClock.NowNanoseconds()));
        }
        return ClockExchange.Best(exchanges);
    }
}
