using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace SgLang.Profiling.Tests.Memory;

/// <summary>Reads the part of Python's pickle format that has no code in it (https://docs.python.org/3/library/pickletools.html).</summary>
internal static class Pickle
{
    private static readonly object s_mark = new();

    public static object Load(ReadOnlySpan<byte> bytes)
    {
        Stack<object?> stack = new();
        Assert.Equal([0x80, 2], bytes[..2].ToArray());
        for (int i = 2; ;)
        {
            byte op = bytes[i++];
            switch (op)
            {
                case (byte)'.':
                    Assert.Equal(bytes.Length, i);
                    return Assert.Single(stack)!;
                case (byte)']':
                    stack.Push(new List<object?>());
                    break;
                case (byte)'}':
                    stack.Push(new Dictionary<object, object?>());
                    break;
                case (byte)'(':
                    stack.Push(s_mark);
                    break;
                case (byte)'e':
                    List<object?> items = PopToMark(stack);
                    ((List<object?>)stack.Peek()!).AddRange(items);
                    break;
                case (byte)'u':
                    List<object?> pairs = PopToMark(stack);
                    for (int p = 0; p < pairs.Count; p += 2) ((Dictionary<object, object?>)stack.Peek()!).Add(pairs[p]!, pairs[p + 1]);
                    break;
                case 0x88 or 0x89:
                    stack.Push(op == 0x88);
                    break;
                case (byte)'J':
                    stack.Push((long)BinaryPrimitives.ReadInt32LittleEndian(bytes[i..]));
                    i += 4;
                    break;
                case 0x8a:
                    stack.Push((long)new BigInteger(bytes.Slice(i + 1, bytes[i])));
                    i += 1 + bytes[i];
                    break;
                case (byte)'X':
                    int length = BinaryPrimitives.ReadInt32LittleEndian(bytes[i..]);
                    stack.Push(Encoding.UTF8.GetString(bytes.Slice(i + 4, length)));
                    i += 4 + length;
                    break;
                default:
                    Assert.Fail($"opcode 0x{op:x2} at {i - 1}");
                    break;
            }
        }
    }

    private static List<object?> PopToMark(Stack<object?> stack)
    {
        List<object?> items = [];
        while (stack.Pop() is var item && !ReferenceEquals(item, s_mark)) items.Insert(0, item);
        return items;
    }
}
