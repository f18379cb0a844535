using System.Text;
using Microsoft.AspNetCore.Http;
using SgLang.Protocol;
using SgLang.Server.Http;

namespace SgLang.Server.Tests.Http;

public sealed class RequestBodyTests
{
    [Theory]
    [InlineData(LongWork.LeastBytes - 1, false, false)]
    [InlineData(LongWork.LeastBytes, false, true)]
    [InlineData(LongWork.LeastBytes, true, true)]
    [InlineData(4 << 20, false, true)]
    public async Task What_is_done_with_a_long_body_keeps_no_thread_of_the_pool(int bytes, bool isThereFirst, bool isLong)
    {
        const string start = "{\"prompt\":\"", end = "\"}";
        int length = bytes - start.Length - end.Length;
        var http = new DefaultHttpContext();
        http.Request.Body = new MemoryStream(Encoding.ASCII.GetBytes(start + new string('x', length) + end));
        (string? thread, int read) = await Task.Run(() => HandleAsync(http, isThereFirst), TestContext.Current.CancellationToken);
        Assert.Equal(isLong, thread?.StartsWith("sgl-long-", StringComparison.Ordinal) is true);
        Assert.Equal(length, read);
    }

    /// <summary>As an endpoint does: without the test's own context, which would take its thread back.</summary>
    /// <param name="isThereFirst">The body has been parsed before the endpoint waits for it.</param>
    private static async Task<(string? Thread, int Length)> HandleAsync(HttpContext http, bool isThereFirst)
    {
        BodyRead<TokenizeRequest> reading = RequestBody.ReadAsync(http, ProtocolJsonContext.Default.TokenizeRequest);
        if (isThereFirst) Assert.True(SpinWait.SpinUntil(() => reading.IsParsed, TimeSpan.FromSeconds(30)));
        TokenizeRequest body = await reading;
        return (Thread.CurrentThread.Name, body.Prompt!.Items[0].Length);
    }
}
