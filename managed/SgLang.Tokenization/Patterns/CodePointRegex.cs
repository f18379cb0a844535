namespace SgLang.Tokenization.Patterns;

/// <summary>
/// A backtracking matcher over code points. Our own, because System.Text.RegularExpressions works on UTF-16 units: there \p{L} never holds
/// for a letter outside the basic plane and [^\s\p{L}] takes half a surrogate pair, so splits would differ from the reference's.
/// The stack is a buffer on the heap, and the work of one match is bounded, so that no text can hang or overflow it. Thread safe.
/// </summary>
internal sealed class CodePointRegex
{
    private const int SplitEntry = -1;
    private const int EntrySize = 3;

    [ThreadStatic]
    private static int[]? t_stack;

    private readonly string _pattern;
    private readonly Instruction[] _program;

    public CodePointRegex(string pattern)
    {
        _pattern = pattern;
        _program = PatternProgram.Compile(PatternParser.Parse(pattern));
    }

    /// <summary>The first match at or after <paramref name="from"/>, the leftmost and, of those, the one the pattern prefers.</summary>
    public bool TryFind(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        var run = new Run(this, text);
        for (start = from; start <= text.Length;)
        {
            end = run.MatchAt(_program, start, requiredEnd: -1, stackBase: 0);
            if (end >= 0)
            {
                return true;
            }

            start += start < text.Length && char.IsHighSurrogate(text[start]) ? 2 : 1;
        }

        (start, end) = (-1, -1);
        return false;
    }

    private ref struct Run(CodePointRegex regex, ReadOnlySpan<char> text)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int[] _stack = t_stack ??= new int[256];
        private long _steps;

        /// <summary>The end of the match that begins at <paramref name="start"/>, or -1.</summary>
        public int MatchAt(Instruction[] program, int start, int requiredEnd, int stackBase)
        {
            // Linear patterns need a handful of steps per character; only an exponential one gets past this.
            long limit = _steps + 100_000 + 100L * (_text.Length - start);
            int top = stackBase;
            int pc = 0;
            int position = start;
            while (true)
            {
                ref readonly Instruction instruction = ref program[pc];
                bool isMatch;
                switch (instruction.Op)
                {
                    case Op.Set:
                        isMatch = position < _text.Length && instruction.Set!.Contains(CodePoint.At(_text, position, out int width)) && Advance(ref position, width);
                        break;
                    case Op.Greedy:
                    case Op.Possessive:
                        isMatch = Loop(in instruction, ref position, out int floor);
                        if (isMatch && position > floor && instruction.Op == Op.Greedy)
                        {
                            Push(ref top, pc + 1, floor, position);
                        }

                        break;
                    case Op.Split:
                        Push(ref top, instruction.Y, SplitEntry, position);
                        pc = instruction.X;
                        continue;
                    case Op.Jump:
                        pc = instruction.X;
                        continue;
                    case Op.Anchor:
                        isMatch = Holds((Anchor)instruction.X, position);
                        break;
                    case Op.Look:
                        isMatch = Looks(in instruction, position, top) != (instruction.X == 1);
                        break;
                    case Op.Atomic:
                        int end = MatchAt(instruction.Body!, position, requiredEnd: -1, top);
                        isMatch = end >= 0;
                        position = isMatch ? end : position;
                        break;
                    default:
                        if (requiredEnd < 0 || position == requiredEnd)
                        {
                            return position;
                        }

                        isMatch = false;
                        break;
                }

                if (isMatch)
                {
                    pc++;
                    continue;
                }

                if (top == stackBase)
                {
                    return -1;
                }

                if (++_steps > limit)
                {
                    throw new TokenizerException($"regular expression /{regex._pattern}/ takes too many steps on this text; it backtracks without bound");
                }

                Pop(ref top, out pc, out position);
            }
        }

        private static bool Advance(ref int position, int width)
        {
            position += width;
            return true;
        }

        /// <summary>Moves over as many members as allowed. <paramref name="floor"/> is the position after the fewest.</summary>
        private readonly bool Loop(in Instruction instruction, ref int position, out int floor)
        {
            CharSet set = instruction.Set!;
            int count = 0;
            int at = position;
            floor = position;
            while (count < instruction.Max && at < _text.Length && set.Contains(CodePoint.At(_text, at, out int width)))
            {
                at += width;
                if (++count == instruction.Min)
                {
                    floor = at;
                }
            }

            if (count < instruction.Min)
            {
                return false;
            }

            position = at;
            return true;
        }

        private bool Looks(in Instruction instruction, int position, int stackBase)
        {
            if (instruction.Max < 0)
            {
                return MatchAt(instruction.Body!, position, requiredEnd: -1, stackBase) >= 0;
            }

            int start = position;
            for (int back = 0; back <= instruction.Max; back++)
            {
                if (MatchAt(instruction.Body!, start, position, stackBase) >= 0)
                {
                    return true;
                }

                if (start == 0)
                {
                    break;
                }

                CodePoint.Before(_text, start, out int width);
                start -= width;
            }

            return false;
        }

        private readonly bool Holds(Anchor anchor, int position) => anchor switch
        {
            Anchor.TextStart => position == 0,
            Anchor.TextEnd => position == _text.Length,
            Anchor.TextEndOrNewline => position == _text.Length || position == _text.Length - 1 && _text[position] == '\n',
            Anchor.LineStart => position == 0 || _text[position - 1] == '\n',
            Anchor.LineEnd => position == _text.Length || _text[position] == '\n',
            Anchor.WordBoundary => IsBoundary(position),
            _ => !IsBoundary(position),
        };

        private readonly bool IsBoundary(int position)
        {
            bool before = position > 0 && CodePoint.IsWord(CodePoint.Before(_text, position, out _));
            bool after = position < _text.Length && CodePoint.IsWord(CodePoint.At(_text, position, out _));
            return before != after;
        }

        private void Push(ref int top, int pc, int floor, int position)
        {
            if (top + EntrySize > _stack.Length)
            {
                Array.Resize(ref _stack, _stack.Length * 2);
                t_stack = _stack;
            }

            _stack[top] = pc;
            _stack[top + 1] = floor;
            _stack[top + 2] = position;
            top += EntrySize;
        }

        /// <summary>Takes the latest alternative: another branch, or a greedy loop with one code point fewer.</summary>
        private readonly void Pop(ref int top, out int pc, out int position)
        {
            top -= EntrySize;
            pc = _stack[top];
            int floor = _stack[top + 1];
            position = _stack[top + 2];
            if (floor == SplitEntry)
            {
                return;
            }

            CodePoint.Before(_text, position, out int width);
            position -= width;
            if (position > floor)
            {
                _stack[top + 2] = position;
                top += EntrySize;
            }
        }
    }
}
