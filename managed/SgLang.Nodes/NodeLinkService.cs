using Grpc.Core;
using SgLang.Nodes.Wire;

namespace SgLang.Nodes;

/// <summary>The streams that other nodes open to node 0.</summary>
internal sealed class NodeLinkService(NodeHead head) : NodeLink.NodeLinkBase
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1.5);

    public override async Task Control(IAsyncStreamReader<NodeMessage> requestStream, IServerStreamWriter<HeadMessage> responseStream, ServerCallContext context)
    {
        if (!await requestStream.MoveNext(context.CancellationToken) || requestStream.Current.KindCase != NodeMessage.KindOneofCase.Hello)
            throw new RpcException(new Status(StatusCode.InvalidArgument, "a node says hello first"));
        if (head.TryConnect(requestStream.Current.Hello, context.RequestHeaders, context.Peer, out string refusal) is not { } peer)
        {
            await responseStream.WriteAsync(new HeadMessage { Stop = new Stop { Reason = refusal, IsFailure = true } });
            return;
        }
        await responseStream.WriteAsync(new HeadMessage { Welcome = new Welcome() });
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, peer.Over);
        await ServeAsync(peer, requestStream, message => head.Handle(peer, message), peer.Control.RunAsync(message => responseStream.WriteAsync(message), over.Token), over);
    }

    public override async Task Tensors(IAsyncStreamReader<StageTensor> requestStream, IServerStreamWriter<StageTensor> responseStream, ServerCallContext context)
    {
        if (head.RefusalOf(context.RequestHeaders) is { } refusal) throw new RpcException(new Status(StatusCode.Unauthenticated, refusal));
        if (head.PeerOf(context.RequestHeaders.GetValue(NodeHead.RankHeader)) is not { Connected.IsCompletedSuccessfully: true } peer)
            throw new RpcException(new Status(StatusCode.FailedPrecondition, "a node opens its control stream first"));
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, peer.Over);
        await ServeAsync(peer, requestStream, tensor => head.Handle(peer, tensor), peer.Tensors.RunAsync(tensor => responseStream.WriteAsync(tensor), over.Token), over);
    }

    public override async Task Profile(IAsyncStreamReader<ProfileMessage> requestStream, IServerStreamWriter<ClockAnswer> responseStream, ServerCallContext context)
    {
        if (head.RefusalOf(context.RequestHeaders) is { } refusal) throw new RpcException(new Status(StatusCode.Unauthenticated, refusal));
        if (head.PeerOf(context.RequestHeaders.GetValue(NodeHead.RankHeader)) is not { Connected.IsCompletedSuccessfully: true } peer)
            throw new RpcException(new Status(StatusCode.FailedPrecondition, "a node opens its control stream first"));
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, peer.Over);
        await head.Profiles.ServeAsync(peer, requestStream, responseStream, over.Token);
    }

    /// <summary>Until everything is written after a farewell, or the node or its connection goes, which loses it.</summary>
    private async Task ServeAsync<T>(NodePeer peer, IAsyncStreamReader<T> reader, Action<T> handle, Task writing, CancellationTokenSource over)
    {
        Task reading = ReadAsync();
        try
        {
            await await Task.WhenAny(reading, writing);
            // A closed outbox ends with a farewell, and the node hangs up when it has read that: ending the call before could overtake it.
            if (!reading.IsCompleted) await Task.WhenAny(reading, Task.Delay(s_patience));
            head.Lose(peer, $"node {peer.Rank} has left");
        }
        catch (Exception error) when (error is IOException or RpcException or OperationCanceledException or InvalidOperationException)
        {
            head.Lose(peer, $"node {peer.Rank} is lost: its connection ended");
        }
        finally
        {
            await over.CancelAsync();
            // Their errors are those above, or come from the end itself.
            await Task.WhenAll(Quiet(reading), Quiet(writing));
        }

        async Task ReadAsync()
        {
            while (await reader.MoveNext(over.Token)) handle(reader.Current);
        }
    }

    private static Task Quiet(Task task) => task.ContinueWith(static done => _ = done.Exception, TaskContinuationOptions.ExecuteSynchronously);
}
