namespace SgLang.Scheduling;

/// <summary>Requests in order, linked through themselves: joining at the end and leaving from anywhere cost O(1).</summary>
internal sealed class RequestList
{
    public int Count { get; private set; }

    /// <summary>Prompt and output tokens of all of them, as of when each joined.</summary>
    public long TokenCount { get; private set; }
    public Request? First { get; private set; }
    public Request? Last { get; private set; }

    public void Append(Request request)
    {
        if (request.List is not null) throw new InvalidOperationException($"Request {request.Rid} is in a list already.");
        request.List = this;
        request.Previous = Last;
        if (Last is null) First = request;
        else Last.Next = request;
        Last = request;
        Count++;
        request.ListedTokens = request.Tokens.Length;
        TokenCount += request.ListedTokens;
    }

    public void Remove(Request request)
    {
        if (request.List != this) throw new InvalidOperationException($"Request {request.Rid} is not in this list.");
        if (request.Previous is null) First = request.Next;
        else request.Previous.Next = request.Next;
        if (request.Next is null) Last = request.Previous;
        else request.Next.Previous = request.Previous;
        request.Previous = request.Next = null;
        request.List = null;
        Count--;
        TokenCount -= request.ListedTokens;
    }
}
