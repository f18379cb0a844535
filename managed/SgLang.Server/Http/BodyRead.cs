using System.Runtime.CompilerServices;

namespace SgLang.Server.Http;

/// <summary>A body on its way. Awaiting it goes on as <see cref="LongWork"/> after a long one, also if it is there before the caller waits.</summary>
internal readonly struct BodyRead<T>(Task<T> task, BodyRead<T>.Length length) : ICriticalNotifyCompletion
{
    /// <summary>What is known of the body once the task is done.</summary>
    public sealed class Length
    {
        public bool IsLong { get; set; }
    }

    /// <summary>There, wherever the caller is to go on.</summary>
    public bool IsParsed => task.IsCompleted;

    public bool IsCompleted => IsParsed && (!length.IsLong || LongWork.IsHere);

    public BodyRead<T> GetAwaiter() => this;

    public T GetResult() => task.GetAwaiter().GetResult();

    public void OnCompleted(Action continuation) => task.GetAwaiter().OnCompleted(InPlace(continuation));

    public void UnsafeOnCompleted(Action continuation) => task.GetAwaiter().UnsafeOnCompleted(InPlace(continuation));

    private Action InPlace(Action continuation)
    {
        Length known = length;
        return () =>
        {
            if (known.IsLong && !LongWork.IsHere) LongWork.Run(continuation);
            else continuation();
        };
    }
}
