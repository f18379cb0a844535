namespace SgLang.Grammars;

/// <summary>What one compilation may spend. Every loop that can explode charges it.</summary>
internal sealed class CompileBudget(GrammarOptions options, CancellationToken cancellation)
{
    private const int ChargesPerClockLook = 256;

    private int _states;
    private int _untilLook = ChargesPerClockLook;

    public void ChargeStates(int count = 1)
    {
        _states += count;
        if (_states > options.MaxStates)
            throw new GrammarException($"the grammar needs more than {options.MaxStates} states; use smaller repetition counts and length limits, or fewer alternatives that overlap");
        Tick();
    }

    /// <summary>For work that makes no states.</summary>
    public void Tick(int count = 1)
    {
        _untilLook -= count;
        if (_untilLook > 0) return;
        _untilLook = ChargesPerClockLook;
        if (cancellation.IsCancellationRequested)
            throw new GrammarException($"the grammar took longer than {options.CompileTimeout.TotalSeconds:0.###} seconds to compile; make it smaller, or raise --grammar-compile-timeout");
    }
}
